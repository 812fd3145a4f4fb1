package encode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"headgate/firehose"
	"headgate/shardlog"
)

// Rows is an encoder of Parquet files. Their content, as batches know it, is
// a line of JSON for each row: columns in the schema's order, without nulls.
// Compress makes a file of those lines, and Expand the same lines of a file.
// Make it with NewParquet.
type Rows struct {
	columns []Column
	index   []int // of each column in the file, where they are in the order of their names
	schema  *parquet.Schema
	codec   compress.Codec
}

var _ firehose.Encoder = (*Rows)(nil)

const (
	maxRowGroup = 4 << 20 // of lines
	pageBytes   = 64 << 10
	rowBatch    = 64
)

// NewParquet makes the encoder of a schema. What is wrong with it is Invalid.
func NewParquet(s Schema) (*Rows, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	codec, err := pageCodec(s.Compression)
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "make encoder", "%w", err)
	}
	e := &Rows{columns: s.Columns, codec: codec}
	group := parquet.Group{}
	for _, c := range s.Columns {
		node := types[c.Type].node()
		if !c.Required {
			node = parquet.Optional(node)
		}
		group[c.Name] = node
	}
	e.schema = parquet.NewSchema("records", group)
	for _, c := range s.Columns {
		leaf, ok := e.schema.Lookup(c.Name)
		if !ok {
			return nil, shardlog.Errorf(shardlog.Invalid, "make encoder", "column %q is lost", c.Name)
		}
		e.index = append(e.index, leaf.ColumnIndex)
	}
	return e, nil
}

func pageCodec(name string) (compress.Codec, error) {
	switch name {
	case Snappy, "":
		return &parquet.Snappy, nil
	case Gzip:
		return &parquet.Gzip, nil
	case Zstd:
		return &parquet.Zstd, nil
	case None:
		return &parquet.Uncompressed, nil
	}
	return nil, fmt.Errorf("compression %q of pages is unknown; snappy, gzip, zstd and none are known", name)
}

// Frame appends the record's row as a line. A record that is no row of the
// schema is refused with a *RowError.
func (e *Rows) Frame(dst []byte, r firehose.Record) ([]byte, error) {
	row, err := readRow(e.columns, r.Data, byPath)
	if err != nil {
		return nil, err
	}
	return appendRow(dst, e.columns, row), nil
}

// Extension is .parquet.
func (e *Rows) Extension() string { return ".parquet" }

// Compress returns a writer of lines, as Frame makes them, that makes a file
// of them. It holds a row group.
func (e *Rows) Compress(w io.Writer) (io.WriteCloser, error) {
	config, err := parquet.NewWriterConfig(e.schema, parquet.Compression(e.codec), parquet.PageBufferSize(pageBytes), parquet.CreatedBy("headgate", "", ""))
	if err != nil {
		return nil, err
	}
	return &rowWriter{e: e, file: parquet.NewWriter(w, config)}, nil
}

type rowWriter struct {
	e     *Rows
	file  *parquet.Writer
	rest  []byte // of a line
	rows  []parquet.Row
	group int // bytes of lines in the row group
}

func (w *rowWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		at := bytes.IndexByte(p, '\n')
		if at < 0 {
			w.rest = append(w.rest, p...)
			return n, nil
		}
		line := p[:at+1]
		if len(w.rest) > 0 {
			w.rest = append(w.rest, line...)
			line = w.rest
		}
		if err := w.line(line); err != nil {
			return 0, err
		}
		w.rest, p = w.rest[:0], p[at+1:]
	}
}

func (w *rowWriter) line(line []byte) error {
	row, err := readRow(w.e.columns, line, byName)
	if err != nil {
		return err
	}
	w.rows = append(w.rows, w.e.values(row))
	if w.group += len(line); len(w.rows) < rowBatch && w.group < maxRowGroup {
		return nil
	}
	return w.flush()
}

func (w *rowWriter) flush() error {
	if _, err := w.file.WriteRows(w.rows); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	if w.rows = w.rows[:0]; w.group < maxRowGroup {
		return nil
	}
	w.group = 0
	return w.file.Flush()
}

func (w *rowWriter) Close() error {
	if len(w.rest) > 0 {
		return errors.New("the last line is not complete")
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.file.Close()
}

// values are a row as the file has it.
func (e *Rows) values(r row) parquet.Row {
	values := make(parquet.Row, len(r))
	for i, c := range e.columns {
		v, level := parquet.NullValue(), 0
		if r[i] != nil {
			v = value(c, r[i])
			if !c.Required {
				level = 1
			}
		}
		values[e.index[i]] = v.Level(0, level, e.index[i])
	}
	return values
}

func value(c Column, v any) parquet.Value {
	switch v := v.(type) {
	case bool:
		return parquet.BooleanValue(v)
	case int64:
		if c.Type == "int" || c.Type == "date" {
			return parquet.Int32Value(int32(v))
		}
		return parquet.Int64Value(v)
	case float32:
		return parquet.FloatValue(v)
	case float64:
		return parquet.DoubleValue(v)
	case string:
		return parquet.ByteArrayValue([]byte(v))
	}
	panic(fmt.Sprintf("a column cannot hold %T", v))
}

// row undoes values.
func (e *Rows) row(values parquet.Row) (row, error) {
	if len(values) != len(e.columns) {
		return nil, fmt.Errorf("a row has %d values, not %d", len(values), len(e.columns))
	}
	r := make(row, len(e.columns))
	for i, c := range e.columns {
		v := values[e.index[i]]
		switch {
		case v.IsNull():
			continue
		case c.Type == "boolean":
			r[i] = v.Boolean()
		case c.Type == "int" || c.Type == "date":
			r[i] = int64(v.Int32())
		case c.Type == "bigint" || c.Type == "timestamp":
			r[i] = v.Int64()
		case c.Type == "float":
			r[i] = v.Float()
		case c.Type == "double":
			r[i] = v.Double()
		default:
			r[i] = string(v.ByteArray())
		}
		if f, ok := r[i].(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return nil, fmt.Errorf("column %s is no number", c.Name)
		}
	}
	return r, nil
}
