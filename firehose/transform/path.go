package transform

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// maxIndex bounds what a write past the end of an array may add to it.
const maxIndex = 9999

// checkPath allows names and array indexes with dots between them, where a
// backslash takes the next character as it is. It is what can be written to.
func checkPath(path string) error {
	if path == "" {
		return fmt.Errorf("a path is missing")
	}
	part := 0
	for i := 0; i <= len(path); i++ {
		switch {
		case i == len(path) || path[i] == '.':
			if i == part {
				return fmt.Errorf("path %q has an empty name", path)
			}
			if n, err := strconv.ParseUint(path[part:i], 10, 64); err == nil && n > maxIndex {
				return fmt.Errorf("path %q has an index above %d", path, maxIndex)
			}
			part = i + 1
		case path[i] == '\\':
			if i++; i == len(path) {
				return fmt.Errorf("path %q ends in a backslash", path)
			}
		case strings.IndexByte("|#@*?!{[(", path[i]) >= 0 || path[i] == ':' && i == part || path[i] < ' ':
			return fmt.Errorf("path %q holds %q, which has no meaning here; write a backslash before it", path, path[i])
		case path[i] == '-' && i == part && strings.HasPrefix(path[i:]+".", "-1."):
			return fmt.Errorf("path %q counts from the end", path)
		}
	}
	return nil
}

// get is the value at path, and whether there is one.
func (d *document) get(path string) (gjson.Result, bool) {
	v := gjson.Get(d.json, path)
	return v, v.Exists()
}

// set writes raw JSON at path. A new member of the record itself, by far the
// most frequent, is appended to it without another look.
func (d *document) set(path, raw string) error {
	if plain(path) && !gjson.Get(d.json, path).Exists() {
		d.become(appendMember(d.json, path, raw))
		return nil
	}
	json, err := sjson.SetRaw(d.json, path, raw)
	if err != nil {
		return refused(CodeEdit, "write %s: %v", path, err)
	}
	d.become(json)
	return nil
}

// plain reports whether a path is one name that JSON writes as it is.
func plain(path string) bool {
	for i := 0; i < len(path); i++ {
		if c := path[i]; c == '.' || c == '\\' || c == '"' || c < ' ' || c >= utf8.RuneSelf {
			return false
		}
	}
	return path != ""
}

// appendMember adds a member to an object without space around it.
func appendMember(object, name, raw string) string {
	head := strings.TrimRight(object[:len(object)-1], " \t\r\n")
	comma := ","
	if head == "{" {
		comma = ""
	}
	return head + comma + `"` + name + `":` + raw + "}"
}

// relabel gives a member of the record itself another name, where it is. It
// does nothing, and says so, when there is more to do than that.
func (d *document) relabel(v gjson.Result, from, to string) bool {
	if !plain(from) || !plain(to) || v.Index == 0 || gjson.Get(d.json, to).Exists() {
		return false
	}
	head := strings.TrimRight(d.json[:v.Index], " \t\r\n:")
	name := len(head) - len(from) - 2
	if name < 1 || head[name] != '"' || head[name+1:len(head)-1] != from || strings.IndexByte("{, \t\r\n", head[name-1]) < 0 {
		return false
	}
	d.become(d.json[:name+1] + to + d.json[len(head)-1:])
	return true
}

// remove takes the value at path away, if there is one.
func (d *document) remove(path string) error {
	if !gjson.Get(d.json, path).Exists() {
		return nil
	}
	json, err := sjson.Delete(d.json, path)
	if err != nil {
		return refused(CodeEdit, "remove %s: %v", path, err)
	}
	d.become(json)
	return nil
}

// unique refuses a document that repeats a name on the way to a value: readers
// differ in which of them they take, so that one would show what was hidden in
// the other.
func (d *document) unique(path string) error {
	at := gjson.Parse(d.json)
	for _, name := range names(path) {
		var next gjson.Result
		count, index := 0, -1
		array := at.IsArray()
		at.ForEach(func(key, v gjson.Result) bool {
			if index++; !array && key.Str == name || array && strconv.Itoa(index) == name {
				next = v
				count++
			}
			return true
		})
		if count > 1 {
			return refused(CodeEdit, "%s: the name %q is there %d times", path, name, count)
		}
		if at = next; !at.IsObject() && !at.IsArray() {
			return nil
		}
	}
	return nil
}

// names are the names of a path.
func names(path string) []string {
	var all []string
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '.':
			all = append(all, b.String())
			b.Reset()
		case path[i] == '\\':
			i++
			fallthrough
		default:
			b.WriteByte(path[i])
		}
	}
	return append(all, b.String())
}
