package encode

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
)

// zipCodec is an archive of one entry.
type zipCodec struct{}

// zipEntry is the entry's name. It has no time, so that the same content
// gives the same archive.
const zipEntry = "records"

func (zipCodec) compress(w io.Writer) (io.WriteCloser, error) {
	archive := zip.NewWriter(w)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, gzipLevel) })
	entry, err := archive.Create(zipEntry)
	if err != nil {
		return nil, err
	}
	return &zipWriter{entry, archive}, nil
}

type zipWriter struct {
	io.Writer
	archive *zip.Writer
}

func (z *zipWriter) Close() error { return z.archive.Close() }

func (zipCodec) expand(r io.Reader) (io.ReadCloser, error) {
	f, size, err := spool(r)
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(f, size)
	if err == nil && len(archive.File) != 1 {
		err = fmt.Errorf("the archive has %d entries, not one", len(archive.File))
	}
	var entry io.ReadCloser
	if err == nil {
		entry, err = archive.File[0].Open()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &zipReader{entry, f}, nil
}

type zipReader struct {
	io.ReadCloser
	file io.Closer
}

func (z *zipReader) Close() error { return errors.Join(z.ReadCloser.Close(), z.file.Close()) }

func (zipCodec) extension() string { return ".zip" }
