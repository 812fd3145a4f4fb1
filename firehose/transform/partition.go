package transform

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"

	"github.com/itchyny/gojq"

	"headgate/firehose"
)

// Partition names the keys of dynamic partitioning: a jq program makes an
// object of each record, whose members are text, numbers or booleans.
type Partition struct {
	Query string `json:"query" yaml:"query"` // Firehose's MetadataExtractionQuery
}

// What keys may be. They become part of object names.
const (
	maxKeys     = 50
	maxKeyBytes = 512
)

func (o *Partition) check() error {
	if _, err := compile(o.Query); err != nil {
		return fmt.Errorf("partition: %w", err)
	}
	return nil
}

func (o *Partition) build(b *builder, _ Env) error {
	code, err := compile(o.Query)
	if err != nil {
		return err
	}
	b.stage(expanding{partitioning{program{code: code, fault: CodePartition}.limited()}})
	return nil
}

type partitioning struct{ program }

func (p partitioning) expand(ctx context.Context, r firehose.Record, emit func(firehose.Record)) error {
	var found map[string]any
	err := p.run(ctx, r, func(v any) error {
		object, ok := v.(map[string]any)
		if !ok || found != nil {
			return refused(p.fault, "the query must make one object of a record")
		}
		found = object
		return nil
	})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return refused(p.fault, "the query makes no keys of the record")
	}
	keys := map[string]string{}
	for name, v := range found {
		text, ok := keyText(v)
		if !ok {
			return refused(p.fault, "a key is empty, null, nested or longer than %d bytes", maxKeyBytes)
		}
		keys[name] = text
	}
	return p.with(r, keys, emit)
}

func (p partitioning) with(r firehose.Record, keys map[string]string, emit func(firehose.Record)) error {
	merged, ok := addKeys(r.Keys, keys)
	if !ok {
		return refused(p.fault, "the record has more than %d keys", maxKeys)
	}
	r.Keys = merged
	emit(r)
	return nil
}

// addKeys makes a map of both; the later win.
func addKeys(before, keys map[string]string) (map[string]string, bool) {
	all := maps.Clone(before)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, keys)
	return all, len(all) <= maxKeys
}

func keyText(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		text = v
	case bool, int, float64, *big.Int, json.Number:
		b, err := gojq.Marshal(v)
		if err != nil {
			return "", false
		}
		text = string(b)
	}
	return text, text != "" && len(text) <= maxKeyBytes
}
