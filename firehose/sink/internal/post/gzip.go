package post

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// Zipper compresses bodies (RFC 1952). Its zero value is ready, and safe for
// concurrent use.
type Zipper struct{ idle sync.Pool }

// Body is what write writes, compressed.
func (z *Zipper) Body(write func(io.Writer) error) ([]byte, error) {
	w, _ := z.idle.Get().(*gzip.Writer)
	if w == nil {
		w = gzip.NewWriter(io.Discard)
	}
	defer z.idle.Put(w)
	var b bytes.Buffer
	w.Reset(&b)
	if err := write(w); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Bytes is content compressed.
func (z *Zipper) Bytes(content []byte) ([]byte, error) {
	return z.Body(func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
