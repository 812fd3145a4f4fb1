package post

import (
	"bytes"
	"compress/gzip"
)

// Gzip is content compressed (RFC 1952).
func Gzip(content []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(content) / 4)
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
