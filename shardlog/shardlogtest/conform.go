package shardlogtest

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"headgate/shardlog"
)

// TestLog is what every Log must pass: each promise of the contracts in
// package shardlog is one subtest. open makes a fresh, empty log and closes it
// by t.Cleanup; it is called a few times. The log may or may not limit how
// much a shard takes in a second; if it does, at least Kinesis's limits are
// expected.
func TestLog(t *testing.T, open func(t *testing.T) Log) {
	groups := []struct {
		name    string
		clauses []clause
	}{
		{"put", putClauses},
		{"put with mutations", putMutationClauses},
		{"read", readClauses},
		{"wait", waitClauses},
		{"large records", largeClauses},
		{"control", controlClauses},
		{"reshard", reshardClauses},
		{"states", stateClauses},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			log := open(t)
			for i, c := range g.clauses {
				t.Run(c.says, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					c.check(&bench{T: t, Log: log, ctx: ctx, number: i})
				})
			}
		})
	}
}

// patience is the most that one clause may take.
const patience = 30 * time.Second

// clause is one promise.
type clause struct {
	says  string
	check func(b *bench)
}

// bench is what a clause works on. The log is shared with the other clauses
// of its group, the streams are not.
type bench struct {
	*testing.T
	Log
	ctx    context.Context
	number int
	made   int
}

// name is a stream name that no other clause has.
func (b *bench) name() shardlog.StreamName {
	b.made++
	return shardlog.StreamName(fmt.Sprintf("clause-%d.%d", b.number, b.made))
}

// stream makes a stream.
func (b *bench) stream(shards int) shardlog.Stream {
	b.Helper()
	name := b.name()
	if err := b.CreateStream(b.ctx, shardlog.StreamSpec{Name: name, Shards: shards}); err != nil {
		b.Fatalf("create %s: %v", name, err)
	}
	return b.now(name)
}

// now is the stream as the Catalog has it.
func (b *bench) now(name shardlog.StreamName) shardlog.Stream {
	b.Helper()
	s, ok := b.Stream(name)
	if !ok {
		b.Fatalf("stream %s is not in the catalog", name)
	}
	return s
}

// put puts entries that must all be taken.
func (b *bench) put(name shardlog.StreamName, entries ...shardlog.Entry) []shardlog.Result {
	b.Helper()
	results, err := b.Put(b.ctx, name, entries)
	if err != nil {
		b.Fatalf("put: %v", err)
	}
	if len(results) != len(entries) {
		b.Fatalf("%d results for %d entries", len(results), len(entries))
	}
	for i, r := range results {
		if r.Err != nil {
			b.Fatalf("put entry %d: %v", i, r.Err)
		}
	}
	return results
}

// all reads a shard from its horizon to its tip.
func (b *bench) all(id shardlog.ShardID) []shardlog.Record {
	b.Helper()
	var records []shardlog.Record
	var cursor shardlog.Cursor
	for {
		page := b.read(id, cursor, shardlog.Budget{Records: 10000, Bytes: 10 << 20})
		records = append(records, page.Records...)
		if page.Tip {
			return records
		}
		if page.Next.Next <= cursor.Next {
			b.Fatalf("a page before the tip leads from %v to %v", cursor, page.Next)
		}
		cursor = page.Next
	}
}

func (b *bench) read(id shardlog.ShardID, from shardlog.Cursor, most shardlog.Budget) shardlog.Page {
	b.Helper()
	page, err := b.Read(b.ctx, id, from, most)
	if err != nil {
		b.Fatalf("read %v from %v: %v", id, from, err)
	}
	return page
}

// wants checks an error's Kind.
func (b *bench) wants(err error, kinds ...shardlog.Kind) {
	b.Helper()
	if err == nil {
		b.Fatalf("no error, want %v", kinds)
	}
	for _, k := range kinds {
		if shardlog.KindOf(err) == k {
			return
		}
	}
	b.Fatalf("%v (%v), want %v", err, shardlog.KindOf(err), kinds)
}

// same compares a record with the entry that it was.
func (b *bench) same(r shardlog.Record, e shardlog.Entry) {
	b.Helper()
	if r.Key != e.Key || !bytes.Equal(r.Data, e.Data) || !bytes.Equal(r.Meta, e.Meta) {
		b.Fatalf("record %d is %q %q %q, want %q %q %q", r.Seq, r.Key, r.Data, r.Meta, e.Key, e.Data, e.Meta)
	}
	if (r.Hash == nil) != (e.Hash == nil) || r.Hash != nil && *r.Hash != *e.Hash {
		b.Fatalf("record %d has hash %v, want %v", r.Seq, r.Hash, e.Hash)
	}
}

// entries are n different entries over n/3 keys.
func entries(prefix string, n int) []shardlog.Entry {
	out := make([]shardlog.Entry, n)
	for i := range out {
		out[i] = shardlog.Entry{
			Key:  fmt.Sprintf("%s-key-%d", prefix, i/3),
			Data: fmt.Appendf(nil, `{"from":"%s","n":%d}`, prefix, i),
		}
	}
	return out
}
