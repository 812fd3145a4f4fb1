package iotsql

import (
	"strings"
	"time"
)

// timeFunctions are those that write and read times.
func timeFunctions() map[string]function {
	return map[string]function{
		"parse_time":    {2, 3, formatTime},
		"time_to_epoch": {2, 2, readTime},
	}
}

// mostMillis bounds times: the year 9999.
const mostMillis = 253402300799999

// formatTime writes milliseconds since 1970 in a pattern of Joda-Time.
func formatTime(_ *run, a []value) value {
	pattern, ok1 := a[0].string()
	d, ok2 := a[1].decimal()
	if !ok1 || !ok2 {
		return value{}
	}
	zone := time.UTC
	if len(a) == 3 {
		var ok bool
		if zone, ok = zoneOf(a[2].text); !ok {
			return value{}
		}
	}
	w := d.floor()
	if !w.IsInt64() || w.Int64() < -mostMillis || w.Int64() > mostMillis {
		return value{}
	}
	parts, ok := timeParts(pattern)
	if !ok {
		return value{}
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.format(time.UnixMilli(w.Int64()).In(zone)))
	}
	return textOf(b.String())
}

// zoneOf finds a time zone: a name, or an offset from UTC.
func zoneOf(name string) (*time.Location, bool) {
	for _, prefix := range []string{"UTC", "GMT", ""} {
		offset, ok := strings.CutPrefix(name, prefix)
		if t, err := time.Parse("-07:00", offset); ok && err == nil {
			_, seconds := t.Zone()
			return time.FixedZone(name, seconds), true
		}
	}
	if name == "Z" {
		return time.UTC, true
	}
	if name == "" || strings.EqualFold(name, "local") {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}

// timePart is a piece of a pattern: letters of one kind, or text as it stands.
type timePart struct {
	letters string // empty: text
	text    string
}

// timeParts takes a pattern apart; false when it has letters that mean nothing.
func timeParts(pattern string) (all []timePart, ok bool) {
	for left := pattern; left != ""; {
		c := left[0]
		switch {
		case c == '\'':
			inside, rest, closed := strings.Cut(left[1:], "'")
			if !closed {
				return nil, false
			}
			if inside == "" {
				inside = "'"
			}
			all, left = append(all, timePart{text: inside}), rest
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := len(left) - len(strings.TrimLeft(left, left[:1]))
			p := timePart{letters: left[:n]}
			if p.layout() == "" && c != 'S' && c != 'V' && c != 'G' {
				return nil, false
			}
			all, left = append(all, p), left[n:]
		default:
			all, left = append(all, timePart{text: left[:1]}), left[1:]
		}
	}
	return all, true
}

// layout is the part as package time has it, empty for what it has not.
func (p timePart) layout() string {
	short, long := "", ""
	switch p.letters[0] {
	case 'y', 'Y', 'u':
		if len(p.letters) == 2 {
			return "06"
		}
		return "2006"
	case 'M', 'L':
		switch len(p.letters) {
		case 3:
			return "Jan"
		case 4:
			return "January"
		}
		short, long = "1", "01"
	case 'd':
		short, long = "2", "02"
	case 'D':
		return "002"
	case 'H':
		return "15"
	case 'h':
		short, long = "3", "03"
	case 'm':
		short, long = "4", "04"
	case 's':
		short, long = "5", "05"
	case 'a':
		return "PM"
	case 'E':
		if len(p.letters) > 3 {
			return "Monday"
		}
		return "Mon"
	case 'z':
		return "MST"
	case 'Z':
		short, long = "-0700", "-07:00"
	case 'X':
		short, long = "Z07", []string{"Z0700", "Z07:00"}[min(1, max(0, len(p.letters)-2))]
	}
	if len(p.letters) == 1 {
		return short
	}
	return long
}

// format writes the part of a time.
func (p timePart) format(t time.Time) string {
	if p.letters == "" {
		return p.text
	}
	switch p.letters[0] {
	case 'S':
		digits := t.Format("000000000.000000000")[10:]
		return (digits + strings.Repeat("0", 64))[:min(len(p.letters), 64)]
	case 'V':
		return t.Location().String()
	case 'G':
		return "AD"
	case 'H':
		if len(p.letters) == 1 {
			return strings.TrimPrefix(t.Format("15"), "0") + map[bool]string{true: "0"}[t.Hour() == 0]
		}
	}
	return t.Format(p.layout())
}

// readTime is the milliseconds since 1970 of a time that is written in a
// pattern; without a zone it is UTC.
func readTime(_ *run, a []value) value {
	all, ok := texts(a)
	if !ok {
		return value{}
	}
	parts, ok := timeParts(all[1])
	if !ok || len(parts) == 0 {
		return value{}
	}
	written, zone := all[0], time.UTC
	if last := parts[len(parts)-1]; strings.HasPrefix(last.letters, "V") || strings.HasPrefix(last.letters, "z") {
		at := strings.LastIndexByte(written, ' ')
		if zone, ok = zoneOf(written[at+1:]); !ok || at < 0 {
			return value{}
		}
		written, parts = strings.TrimSpace(written[:at]), parts[:len(parts)-1]
	}
	layout := ""
	for _, p := range parts {
		switch {
		case p.letters == "":
			layout += p.text
		case p.letters[0] == 'S':
			layout += strings.Repeat("0", len(p.letters))
		case p.letters[0] == 'G':
			layout += "AD"
		default:
			layout += p.layout()
		}
	}
	t, err := time.ParseInLocation(strings.TrimSpace(layout), written, zone)
	if err != nil {
		return value{}
	}
	return intOf(t.UnixMilli())
}
