package encode

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// spool keeps a stream in a file without a name, for formats that are read
// from their end. Closing it frees the space.
func spool(r io.Reader) (f *os.File, size int64, err error) {
	f, err = os.CreateTemp("", "headgate-expand-*")
	if err != nil {
		return nil, 0, fmt.Errorf("spool object: %w", err)
	}
	err = os.Remove(f.Name())
	if err == nil {
		size, err = io.Copy(f, r)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("spool object: %w", errors.Join(err, f.Close()))
	}
	return f, size, nil
}
