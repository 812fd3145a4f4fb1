package transform

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
)

// Sample keeps a share of the records: always the same ones.
type Sample struct {
	Rate float64 `json:"rate" yaml:"rate"`                 // above 0 and below 1
	By   string  `json:"by,omitempty" yaml:"by,omitempty"` // sequence (default): any records; key: all records of some keys
}

func (o *Sample) check() error {
	if !(o.Rate > 0 && o.Rate < 1) {
		return fmt.Errorf("sample: rate is %v, it must be above 0 and below 1", o.Rate)
	}
	if o.By != "" && o.By != "sequence" && o.By != "key" {
		return fmt.Errorf("sample: by %q is unknown; sequence and key are known", o.By)
	}
	return nil
}

func (o *Sample) build(b *builder, _ Env) error {
	b.edit(sampling{byKey: o.By == "key", below: uint64(o.Rate * math.MaxUint64)})
	return nil
}

type sampling struct {
	byKey bool
	below uint64
}

func (s sampling) edit(d *document) (bool, error) {
	var place [16]byte
	name := place[:]
	if s.byKey {
		name = []byte(d.record.Key)
	} else {
		binary.BigEndian.PutUint64(place[:8], uint64(d.record.Seq))
		binary.BigEndian.PutUint64(place[8:], uint64(d.record.Sub))
	}
	sum := sha256.Sum256(name)
	return binary.BigEndian.Uint64(sum[:8]) < s.below, nil
}
