package transform

import (
	"bytes"
	"context"
	"strings"

	"github.com/tidwall/gjson"

	"headgate/firehose"
)

// maxNesting keeps a record of nothing but brackets from taking a stack of
// hundreds of megabytes.
const maxNesting = 1000

// document is a record while it is edited.
type document struct {
	record  *firehose.Record
	json    string // valid, an object, without space around it; owned by load
	loaded  bool
	changed bool
}

// load takes the record's text, once. It refuses what is not a JSON object.
func (d *document) load() error {
	if d.loaded {
		return nil
	}
	data := trim(d.record.Data)
	if err := checkObject(data); err != nil {
		return err
	}
	d.json, d.loaded = string(data), true
	return nil
}

// become replaces the document.
func (d *document) become(json string) { d.json, d.changed = json, true }

// trim takes away the space that JSON allows around a value.
func trim(data []byte) []byte { return bytes.Trim(data, " \t\r\n") }

func checkObject(data []byte) error {
	if len(data) == 0 || data[0] != '{' {
		return refused(CodeNotJSON, "the record is not a JSON object")
	}
	return checkJSON(data)
}

func checkJSON(data []byte) error {
	if tooDeep(data) {
		return refused(CodeNotJSON, "the record is nested more than %d levels deep", maxNesting)
	}
	if !gjson.ValidBytes(data) {
		return refused(CodeNotJSON, "the record is not valid JSON")
	}
	return nil
}

// tooDeep counts levels, but only where there are enough brackets for it.
func tooDeep(data []byte) bool {
	if bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) <= maxNesting {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxNesting {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// editor changes one document or says that it goes.
type editor interface {
	edit(d *document) (keep bool, err error)
}

// edits are editors in a row.
type edits struct{ all []editor }

func (e *edits) apply(_ context.Context, in []firehose.Record, refuse refuseFunc) ([]firehose.Record, error) {
	out := make([]firehose.Record, 0, len(in))
	for _, r := range in {
		keep, err := e.one(&r)
		switch code, message, bad := reason(err); {
		case bad:
			refuse(r.Seq, code, message)
		case err != nil:
			return nil, err
		case keep:
			out = append(out, r)
		}
	}
	return number(out), nil
}

func (e *edits) one(r *firehose.Record) (keep bool, err error) {
	d := document{record: r}
	for _, editor := range e.all {
		if keep, err := editor.edit(&d); err != nil || !keep {
			return false, err
		}
	}
	if d.changed {
		r.Data = []byte(d.json)
	}
	return true, nil
}

// quote is text as a JSON string.
func quote(text string) string {
	return string(gjson.AppendJSONString(make([]byte, 0, len(text)+2), text))
}

// clean is text that a JSON string can hold.
func clean(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
