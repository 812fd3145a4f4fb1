package awsapi

import (
	"net/http"
	"net/url"
	"strings"
)

// pattern is a path with a member of the operation's input in it.
type pattern struct {
	before, member, after string
	route                 *route
}

// addPath makes an operation one that is asked for by path.
func (d *Door) addPath(one *route) {
	before, rest, has := strings.Cut(one.op.Path, "{")
	if !has {
		d.paths[one.op.Path] = one
		return
	}
	member, after, _ := strings.Cut(rest, "}")
	d.patterns = append(d.patterns, pattern{before, member, after, one})
}

// byPath is the operation that a request asks for by its path, nil when it does
// not; of a Raw one c.form are then the members.
func (d *Door) byPath(c *Call) *route {
	r := c.request
	if r.Header.Get("X-Amz-Target") != "" {
		return nil
	}
	found := d.paths[r.URL.Path]
	member, value := "", ""
	for _, p := range d.patterns {
		text, ok := p.match(r.URL.Path)
		if ok && (found == nil || r.Method == p.route.op.method()) {
			found, member, value = p.route, p.member, text
		}
	}
	if found != nil && found.op.Raw {
		if c.form = query(r); c.form == nil {
			c.form = url.Values{}
		}
		if member != "" {
			c.form.Set(member, value)
		}
	}
	return found
}

// match is the member's value in the path.
func (p *pattern) match(path string) (string, bool) {
	text, ok := strings.CutPrefix(path, p.before)
	if !ok {
		return "", false
	}
	text, ok = strings.CutSuffix(text, p.after)
	return text, ok && text != ""
}

// method is the one of HTTP by which an operation with a path is asked for.
func (o *Operation) method() string {
	if o.Method == "" {
		return http.MethodPost
	}
	return o.Method
}
