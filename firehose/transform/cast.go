package transform

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Cast changes the type of a value. A record without the value, or where it
// is null, stays as it is.
type Cast struct {
	Path      string `json:"path" yaml:"path"`
	To        string `json:"to" yaml:"to"`                                   // string, number, integer or boolean
	Otherwise string `json:"otherwise,omitempty" yaml:"otherwise,omitempty"` // of values that cannot be: refuse (default) the record, null, keep
}

// casts turn a value into raw JSON of another type; ok is false when its
// meaning would change.
func castTo(to string) func(v gjson.Result) (raw string, ok bool) {
	switch to {
	case "string":
		return castString
	case "number":
		return castNumber
	case "integer":
		return castInteger
	case "boolean":
		return castBoolean
	}
	return nil
}

func (o *Cast) check() error {
	if err := checkPath(o.Path); err != nil {
		return fmt.Errorf("cast: %w", err)
	}
	if castTo(o.To) == nil {
		return fmt.Errorf("cast: to %q is unknown; string, number, integer and boolean are known", o.To)
	}
	switch o.Otherwise {
	case "", "refuse", "null", "keep":
		return nil
	}
	return fmt.Errorf("cast: otherwise %q is unknown; refuse, null and keep are known", o.Otherwise)
}

func (o *Cast) build(b *builder, _ Env) error {
	b.edit(casting{*o, castTo(o.To)})
	return nil
}

type casting struct {
	Cast
	to func(v gjson.Result) (raw string, ok bool)
}

func (c casting) edit(d *document) (bool, error) {
	if err := d.load(); err != nil {
		return false, err
	}
	v, there := d.get(c.Path)
	if !there || v.Type == gjson.Null {
		return true, nil
	}
	raw, ok := c.to(v)
	switch {
	case ok && raw == v.Raw:
		return true, nil
	case ok:
		return true, d.set(c.Path, raw)
	case c.Otherwise == "keep":
		return true, nil
	case c.Otherwise == "null":
		return true, d.set(c.Path, "null")
	}
	return false, refused(CodeCast, "%s cannot become %s", c.Path, c.To)
}

func castString(v gjson.Result) (string, bool) {
	if v.Type == gjson.String {
		return v.Raw, true
	}
	return quote(v.Raw), true
}

func castNumber(v gjson.Result) (string, bool) {
	switch v.Type {
	case gjson.Number:
		return v.Raw, true
	case gjson.True:
		return "1", true
	case gjson.False:
		return "0", true
	case gjson.String:
		text := strings.TrimSpace(v.Str)
		if gjson.Valid(text) && gjson.Parse(text).Type == gjson.Number {
			return text, true
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) || strings.ContainsAny(text, "xX_") {
			return "", false
		}
		return formatNumber(n), true
	}
	return "", false
}

func formatNumber(n float64) string {
	if math.Abs(n) < 1e15 && n == math.Trunc(n) {
		return strconv.FormatInt(int64(n), 10)
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

func castInteger(v gjson.Result) (string, bool) {
	raw, ok := castNumber(v)
	if !ok {
		return "", false
	}
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return strconv.FormatInt(n, 10), true
	}
	n, err := strconv.ParseFloat(raw, 64)
	if err != nil || n != math.Trunc(n) || math.Abs(n) > 1<<53 {
		return "", false
	}
	return strconv.FormatInt(int64(n), 10), true
}

func castBoolean(v gjson.Result) (string, bool) {
	switch v.Type {
	case gjson.True, gjson.False:
		return v.Raw, true
	case gjson.Number:
		switch v.Num {
		case 0:
			return "false", true
		case 1:
			return "true", true
		}
	case gjson.String:
		switch strings.ToLower(strings.TrimSpace(v.Str)) {
		case "true", "1":
			return "true", true
		case "false", "0":
			return "false", true
		}
	}
	return "", false
}
