package encode

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
)

// Expand reads the lines back. The file is spooled first, for its index is at
// its end.
func (e *Rows) Expand(r io.Reader) (io.ReadCloser, error) {
	f, size, err := spool(r)
	if err != nil {
		return nil, err
	}
	reader := &rowReader{e: e, spool: f}
	if err := reader.open(size); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return reader, nil
}

// rowReader is a file as lines.
type rowReader struct {
	e      *Rows
	spool  *os.File
	groups []parquet.RowGroup // that are not read yet
	rows   parquet.Rows       // of the present group; nil between groups
	batch  [rowBatch]parquet.Row
	buffer []byte // reused
	lines  []byte // to be read
}

// guard turns a panic of the library over a damaged file into an error.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the file is damaged: %v", p)
	}
}

func (r *rowReader) open(size int64) (err error) {
	defer guard(&err)
	file, err := parquet.OpenFile(r.spool, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return err
	}
	if !parquet.EqualNodes(file.Schema(), r.e.schema) {
		return errors.New("the file has other columns")
	}
	r.groups = file.RowGroups()
	return nil
}

func (r *rowReader) Read(p []byte) (int, error) {
	for len(r.lines) == 0 {
		if err := r.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.lines)
	r.lines = r.lines[n:]
	return n, nil
}

// more makes lines of the next rows.
func (r *rowReader) more() (err error) {
	defer guard(&err)
	if r.rows == nil {
		if len(r.groups) == 0 {
			return io.EOF
		}
		r.rows, r.groups = r.groups[0].Rows(), r.groups[1:]
	}
	n, err := r.rows.ReadRows(r.batch[:])
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	r.buffer = r.buffer[:0]
	for _, values := range r.batch[:n] {
		row, bad := r.e.row(values)
		if bad != nil {
			return bad
		}
		r.buffer = appendRow(r.buffer, r.e.columns, row)
	}
	r.lines = r.buffer
	if errors.Is(err, io.EOF) {
		err = r.rows.Close()
		r.rows = nil
	}
	return err
}

func (r *rowReader) Close() error {
	var err error
	if r.rows != nil {
		err = r.rows.Close()
	}
	return errors.Join(err, r.spool.Close())
}
