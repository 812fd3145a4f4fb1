package transform

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Mask hides a value. A record without it stays as it is, and so does null.
type Mask struct {
	Path string `json:"path" yaml:"path"`
	How  string `json:"how" yaml:"how"`                       // hash, keep_last or redact
	Key  string `json:"key,omitempty" yaml:"key,omitempty"`   // of hash: the reference to a secret of at least 16 bytes
	Last int    `json:"last,omitempty" yaml:"last,omitempty"` // of keep_last: how many characters stay, at most 64
	With string `json:"with,omitempty" yaml:"with,omitempty"` // of redact: what stands there instead; default ***
}

const (
	minMaskKey  = 16
	maskedBytes = 16 // of the HMAC that are kept
	maxLast     = 64
	redaction   = "***"
)

func (o *Mask) check() error {
	if err := checkPath(o.Path); err != nil {
		return fmt.Errorf("mask: %w", err)
	}
	switch {
	case o.How == "hash" && o.Key == "":
		return fmt.Errorf("mask: hash needs a key, without one anybody can try all values")
	case o.How == "keep_last" && (o.Last < 1 || o.Last > maxLast):
		return fmt.Errorf("mask: last is %d, 1 to %d are allowed", o.Last, maxLast)
	case o.How != "hash" && o.How != "keep_last" && o.How != "redact":
		return fmt.Errorf("mask: how %q is unknown; hash, keep_last and redact are known", o.How)
	}
	return nil
}

func (o *Mask) build(b *builder, env Env) error {
	m := masking{path: o.Path}
	switch o.How {
	case "hash":
		key, err := secret(env, o.Key)
		if err != nil {
			return fmt.Errorf("mask: key: %w", err)
		}
		if len(key) < minMaskKey {
			return fmt.Errorf("mask: the key has %d bytes, at least %d are needed", len(key), minMaskKey)
		}
		m.hide = func(text string) string { return hash(key, text) }
	case "keep_last":
		m.hide = func(text string) string { return keepLast(text, o.Last) }
	default:
		with := redaction
		if o.With != "" {
			with = clean(o.With)
		}
		m.hide = func(string) string { return with }
	}
	b.edit(m)
	return nil
}

func secret(env Env, ref string) ([]byte, error) {
	if env.Secret == nil {
		return nil, fmt.Errorf("nobody here resolves secrets")
	}
	return env.Secret(ref)
}

func hash(key []byte, text string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil)[:maskedBytes])
}

// keepLast hides all characters but the last n, and all of them when there
// are no more than n.
func keepLast(text string, n int) string {
	hidden := utf8.RuneCountInString(text)
	rest := ""
	if hidden > n {
		hidden -= n
		at := len(text)
		for range n {
			_, size := utf8.DecodeLastRuneInString(text[:at])
			at -= size
		}
		rest = text[at:]
	}
	return strings.Repeat("*", hidden) + rest
}

type masking struct {
	path string
	hide func(text string) string
}

func (m masking) edit(d *document) (bool, error) {
	if err := d.load(); err != nil {
		return false, err
	}
	v, there := d.get(m.path)
	if !there || v.Type == gjson.Null {
		return true, nil
	}
	if err := d.unique(m.path); err != nil {
		return false, err
	}
	text := v.Raw
	if v.Type == gjson.String {
		text = v.Str
	}
	return true, d.set(m.path, quote(clean(m.hide(text))))
}
