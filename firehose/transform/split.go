package transform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"headgate/firehose"
)

// Split takes a record apart that holds several: JSON values one after
// another, or pieces between delimiters. Empty pieces are left out.
type Split struct {
	Delimiter string `json:"delimiter,omitempty" yaml:"delimiter,omitempty"` // between the records; none: they are JSON values
}

func (o *Split) check() error {
	if len(o.Delimiter) > maxDelimiter {
		return fmt.Errorf("split: the delimiter has %d bytes, %d are allowed", len(o.Delimiter), maxDelimiter)
	}
	return nil
}

func (o *Split) build(b *builder, _ Env) error {
	b.stage(expanding{o})
	return nil
}

func (o *Split) expand(_ context.Context, r firehose.Record, emit func(firehose.Record)) error {
	next := o.values(r.Data)
	if o.Delimiter != "" {
		next = o.pieces(r.Data)
	}
	for parts := 0; ; parts++ {
		piece, err := next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return refused(CodeNotJSON, "split: %v", err)
		case parts == maxParts:
			return refused(CodeLimit, "the record holds more than %d others", maxParts)
		}
		one := r
		one.Data = piece
		emit(one)
	}
}

func (o *Split) pieces(data []byte) func() ([]byte, error) {
	return func() (piece []byte, err error) {
		for len(data) > 0 && len(piece) == 0 {
			piece, data, _ = bytes.Cut(data, []byte(o.Delimiter))
		}
		if len(piece) == 0 {
			return nil, io.EOF
		}
		return piece, nil
	}
}

func (o *Split) values(data []byte) func() ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	return func() ([]byte, error) {
		var v json.RawMessage
		err := d.Decode(&v)
		return v, err
	}
}
