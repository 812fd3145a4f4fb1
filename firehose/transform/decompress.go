package transform

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"

	"headgate/firehose"
)

// Decompress expands records that are gzip. Others pass as they are, unless
// they are required to be.
type Decompress struct {
	Required bool `json:"required,omitempty" yaml:"required,omitempty"`   // refuse what is not gzip
	MaxBytes int  `json:"max_bytes,omitempty" yaml:"max_bytes,omitempty"` // of one record, expanded; default and most 8 MiB
	MaxRatio int  `json:"max_ratio,omitempty" yaml:"max_ratio,omitempty"` // of its size; default 100, beyond 16 KiB
}

const (
	maxExpanded  = 8 << 20
	defaultRatio = 100
	maxRatio     = 2000
	freeExpanded = 16 << 10 // what the ratio does not count: small records are often all alike
)

func (o *Decompress) check() error {
	if o.MaxBytes < 0 || o.MaxBytes > maxExpanded {
		return fmt.Errorf("decompress: max_bytes is %d, up to %d are allowed", o.MaxBytes, maxExpanded)
	}
	if o.MaxRatio < 0 || o.MaxRatio > maxRatio {
		return fmt.Errorf("decompress: max_ratio is %d, up to %d are allowed", o.MaxRatio, maxRatio)
	}
	return nil
}

func (o *Decompress) build(b *builder, _ Env) error {
	d := *o
	if d.MaxBytes == 0 {
		d.MaxBytes = maxExpanded
	}
	if d.MaxRatio == 0 {
		d.MaxRatio = defaultRatio
	}
	b.stage(expanding{&d})
	return nil
}

func (o *Decompress) expand(_ context.Context, r firehose.Record, emit func(firehose.Record)) error {
	if !bytes.HasPrefix(r.Data, []byte{0x1f, 0x8b}) {
		if o.Required {
			return refused(CodeDecompress, "the record is not gzip")
		}
		emit(r)
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(r.Data))
	if err != nil {
		return refused(CodeDecompress, "%v", err)
	}
	limit := min(o.MaxBytes, max(freeExpanded, len(r.Data)*o.MaxRatio))
	data, err := io.ReadAll(io.LimitReader(z, int64(limit)+1))
	if err != nil {
		return refused(CodeDecompress, "%v", err)
	}
	if len(data) > limit {
		return refused(CodeLimit, "the record expands to more than %d bytes, from %d", limit, len(r.Data))
	}
	r.Data = data
	emit(r)
	return nil
}
