package iotsql

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"regexp"
	"strings"
	"unicode/utf8"
)

// textFunctions are those that take texts.
func textFunctions() map[string]function {
	all := map[string]function{
		"lower":      {1, 1, mapped(strings.ToLower)},
		"upper":      {1, 1, mapped(strings.ToUpper)},
		"trim":       {1, 1, mapped(strings.TrimSpace)},
		"ltrim":      {1, 1, mapped(func(s string) string { return strings.TrimLeft(s, " \t") })},
		"rtrim":      {1, 1, mapped(func(s string) string { return strings.TrimRight(s, " \t") })},
		"length":     {1, 1, counted(utf8.RuneCountInString)},
		"numbytes":   {1, 1, counted(func(s string) int { return len(s) })},
		"startswith": {2, 2, asked(strings.HasPrefix)},
		"endswith":   {2, 2, asked(strings.HasSuffix)},
		"indexof":    {2, 2, indexOf},
		"replace":    {3, 3, replace},
		"substring":  {2, 3, substring},
		"lpad":       {2, 2, func(r *run, a []value) value { return pad(a, true) }},
		"rpad":       {2, 2, func(r *run, a []value) value { return pad(a, false) }},
		"chr":        {1, 1, character},
		"decode":     {2, 2, decode},

		"regexp_matches": {2, 2, regexpMatches},
		"regexp_replace": {3, 3, regexpReplace},
		"regexp_substr":  {2, 2, regexpSubstr},
	}
	for _, name := range []string{"md5", "sha1", "sha224", "sha256", "sha384", "sha512"} {
		all[name] = function{1, 1, mapped(func(s string) string {
			h := hashes(name)()
			_, _ = h.Write([]byte(s)) // a hash takes everything
			return hex.EncodeToString(h.Sum(nil))
		})}
	}
	return all
}

func hashes(name string) func() hash.Hash {
	switch name {
	case "md5":
		return md5.New
	case "sha1":
		return sha1.New
	case "sha224":
		return sha256.New224
	case "sha384":
		return sha512.New384
	case "sha512":
		return sha512.New
	}
	return sha256.New
}

// texts converts all arguments to texts; false when one is none.
func texts(a []value) (all []string, ok bool) {
	for _, v := range a {
		s, ok := v.string()
		if !ok {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

func mapped(do func(s string) string) func(r *run, a []value) value {
	return func(_ *run, a []value) value {
		s, ok := a[0].string()
		if !ok {
			return value{}
		}
		return textOf(do(s))
	}
}

func counted(do func(s string) int) func(r *run, a []value) value {
	return func(_ *run, a []value) value {
		s, ok := a[0].string()
		if !ok {
			return value{}
		}
		return intOf(int64(do(s)))
	}
}

func asked(do func(s, of string) bool) func(r *run, a []value) value {
	return func(_ *run, a []value) value {
		all, ok := texts(a)
		if !ok {
			return value{}
		}
		return boolOf(do(all[0], all[1]))
	}
}

// indexOf counts characters, from 0; -1 is nowhere.
func indexOf(_ *run, a []value) value {
	all, ok := texts(a)
	if !ok {
		return value{}
	}
	at := strings.Index(all[0], all[1])
	if at < 0 {
		return intOf(-1)
	}
	return intOf(int64(utf8.RuneCountInString(all[0][:at])))
}

func replace(r *run, a []value) value {
	all, ok := texts(a)
	if !ok || !r.spend(strings.Count(all[0], all[1])*len(all[2])) {
		return value{}
	}
	return textOf(strings.ReplaceAll(all[0], all[1], all[2]))
}

// substring cuts characters out, from 0; places outside are moved to the end
// they lie beyond.
func substring(_ *run, a []value) value {
	s, ok := a[0].string()
	if !ok {
		return value{}
	}
	runes := []rune(s)
	from, to := 0, len(runes)
	for i, at := range []*int{&from, &to}[:len(a)-1] {
		d, ok := a[i+1].decimal()
		if !ok {
			return value{}
		}
		*at = d.clamp(0, len(runes))
	}
	if from >= to {
		return textOf("")
	}
	return textOf(string(runes[from:to]))
}

// mostPad is how many spaces lpad and rpad add at most.
const mostPad = 1000

func pad(a []value, left bool) value {
	s, ok := a[0].string()
	d, isNumber := a[1].decimal()
	if !ok || !isNumber {
		return value{}
	}
	spaces := strings.Repeat(" ", d.clamp(0, mostPad))
	if left {
		return textOf(spaces + s)
	}
	return textOf(s + spaces)
}

func character(_ *run, a []value) value {
	d, ok := a[0].decimal()
	if !ok {
		return value{}
	}
	n := d.clamp(-1, 128)
	if n < 0 || n > 127 {
		return value{}
	}
	return textOf(string(rune(n)))
}

func base64Of(s string) value { return textOf(base64.StdEncoding.EncodeToString([]byte(s))) }

// decode undoes base64: what it finds is JSON, or a text. Null is what cannot
// be decoded.
func decode(r *run, a []value) value {
	if a[1].text != "base64" {
		return value{}
	}
	b, err := base64.StdEncoding.DecodeString(a[0].text)
	if a[0].sort != str || err != nil {
		return value{sort: null}
	}
	if v, err := parseJSON(b); err == nil && len(b) > 0 {
		return v
	}
	if !utf8.Valid(b) {
		return value{sort: null}
	}
	return textOf(string(b))
}

// maxPattern is how long a regular expression may be, in bytes.
const maxPattern = 1 << 10

// maxMatches is how many of its matches regexp_replace replaces in one text.
const maxMatches = 50_000

// pattern compiles a regular expression and accounts for what it will do.
func pattern(r *run, a []value) (all []string, p *regexp.Regexp, ok bool) {
	all, ok = texts(a)
	if !ok || len(all[1]) > maxPattern || !r.spend(4096+len(all[0])*(1+len(all[1])/16)) {
		return nil, nil, false
	}
	p, err := regexp.Compile(all[1])
	return all, p, err == nil
}

func regexpMatches(r *run, a []value) value {
	all, p, ok := pattern(r, a)
	if !ok {
		return value{}
	}
	return boolOf(p.MatchString(all[0]))
}

func regexpReplace(r *run, a []value) value {
	all, p, ok := pattern(r, a)
	if !ok {
		return value{}
	}
	found := p.FindAllStringSubmatchIndex(all[0], maxMatches)
	with := groups(all[2])
	var b []byte
	last := 0
	for _, at := range found {
		before := len(b)
		b = append(b, all[0][last:at[0]]...)
		last = at[1]
		if b = p.ExpandString(b, with, all[0], at); !r.spend(len(b) - before + 8*len(with)) {
			return value{}
		}
	}
	if len(found) == maxMatches {
		r.spend(maxWork)
		return value{}
	}
	return textOf(string(append(b, all[0][last:]...)))
}

// groups writes $1 as ${1}, so that a letter behind it is none of its name.
func groups(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteByte(s[i])
		if s[i] != '$' {
			continue
		}
		n := i + 1
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		if n == i+1 {
			b.WriteByte('$') // it stands for itself
			continue
		}
		b.WriteString("{" + s[i+1:n] + "}")
		i = n - 1
	}
	return b.String()
}

func regexpSubstr(r *run, a []value) value {
	all, p, ok := pattern(r, a)
	if !ok {
		return value{}
	}
	at := p.FindStringIndex(all[0])
	if at == nil {
		return value{}
	}
	return textOf(all[0][at[0]:at[1]])
}
