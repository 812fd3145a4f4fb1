package delivery

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"headgate/firehose"
)

const (
	maxPartitions = 64      // of one batch: each is an object, a hash and some 400 bytes of what is sealed
	heldBytes     = 8 << 20 // batches up to this size are read once for all their objects
	codeKeys      = "DynamicPartitioning.KeysMissing"
)

// partitioned reports whether a prefix names keys of records.
func (p prefix) partitioned() bool { return p.has(isKey) }

// partition is what the keys of a record make of the prefix: their values in
// the order of the prefix, "" when it names none. Records of one batch with the
// same partition share an object.
func (p prefix) partition(keys map[string]string, arrived time.Time) (string, error) {
	if !p.partitioned() {
		return "", nil
	}
	var values []string
	for _, one := range p {
		if !isKey(one) {
			continue
		}
		value := keys[one.name]
		if value == "" {
			return "", fmt.Errorf("the record has no key %s", one.name)
		}
		values = append(values, clean(value))
	}
	partition := strings.Join(values, "/")
	if n := len(p.at(arrived, "", partition)); n > maxEvaluated {
		return "", fmt.Errorf("the prefix has %d characters when evaluated, %d are allowed", n, maxEvaluated)
	}
	return partition, nil
}

// clean makes a value the name of one folder: what would end the name, leave
// the folder or not be seen is written as %XX.
func clean(value string) string {
	var b strings.Builder
	dots := strings.Trim(value, ".") == "" // ".", ".."
	for _, c := range []byte(value) {
		if dots || c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return strings.ToValidUTF8(b.String(), "%FF")
}

// partitions are those of all that a source became; nil without partitions.
func (ln *lane) partitions(s source) ([]string, error) {
	data := ln.d.namer.prefixes.data
	if !data.partitioned() {
		return nil, nil
	}
	all := make([]string, len(s.out))
	for i, r := range s.out {
		var err error
		if all[i], err = data.partition(r.Keys, r.Arrived); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// parts are the data objects of an intent.
func (in intent) parts() []part {
	if len(in.Parts) > 0 {
		return in.Parts
	}
	return []part{in.Data}
}

// holds reports whether the part is the one that a record belongs to.
func (ln *lane) holds(p part, r firehose.Record) bool {
	if p.Partition == "" {
		return true
	}
	partition, err := ln.d.namer.prefixes.data.partition(r.Keys, r.Arrived)
	return err == nil && partition == p.Partition
}

// held reads what became of an intent's records once for all its objects, by
// partition; nil when there is one object, or too much for memory: then each
// reads the log.
func (ln *lane) held(ctx context.Context, in intent) (map[string][]firehose.Record, error) {
	size := int64(0)
	for _, p := range in.Parts {
		size += p.Bytes
	}
	if len(in.Parts) < 2 || size > heldBytes {
		return nil, nil
	}
	all := map[string][]firehose.Record{}
	for r, err := range ln.accepted(ctx, in) {
		if err != nil {
			return nil, err
		}
		partition, err := ln.d.namer.prefixes.data.partition(r.Keys, r.Arrived)
		if err != nil {
			continue // it was sealed under another prefix: the objects will tell
		}
		r.Data = slices.Clone(r.Data)
		all[partition] = append(all[partition], r)
	}
	return all, nil
}

// of is those records that belong to the part.
func (ln *lane) of(p part, all iter.Seq2[firehose.Record, error]) iter.Seq2[firehose.Record, error] {
	return func(yield func(firehose.Record, error) bool) {
		for r, err := range all {
			if err == nil && !ln.holds(p, r) {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// each is records that are held.
func each(held []firehose.Record) iter.Seq2[firehose.Record, error] {
	return func(yield func(firehose.Record, error) bool) {
		for _, r := range held {
			if !yield(r, nil) {
				return
			}
		}
	}
}
