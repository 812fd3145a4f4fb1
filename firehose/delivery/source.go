package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"

	"headgate/firehose"
	"headgate/shardlog"
)

// source is one record of the log and what the transform made of it. A source
// that is refused goes to the error output as it lies in the log.
type source struct {
	firehose.Record
	out []firehose.Record // none, one or several
	why *firehose.Item    // set when the transform refuses it; then out is empty
}

// digestOf names a transform in what is sealed; "" is none.
func digestOf(transformSpec string) string {
	if transformSpec == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(transformSpec))
	return hex.EncodeToString(sum[:8])
}

// transform is what an intent is rebuilt with. What was sealed under another
// one is tried with the present one: the hash tells whether they agree.
func (ln *lane) transform(in intent) firehose.Transform {
	if in.Transform == "" {
		return nil
	}
	return ln.d.c.Transform
}

// transformed sends a page through a transform; nil leaves it as it is.
func transformed(ctx context.Context, t firehose.Transform, page []shardlog.Record) ([]source, error) {
	all := make([]source, len(page))
	in := make([]firehose.Record, len(page))
	for i, r := range page {
		in[i] = firehose.Record{Record: r}
		all[i] = source{Record: in[i], out: in[i : i+1 : i+1]}
	}
	if t == nil || len(page) == 0 {
		return all, nil
	}
	made, err := t.Apply(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("transform records: %w", err)
	}
	return all, share(all, made)
}

// share gives each source what the transform made of it. A record under the
// number of no source, or out of order, is the transform's fault; it must not
// be lost in silence.
func share(all []source, made firehose.Transformed) error {
	refused := map[shardlog.Seq]*firehose.Item{}
	for i := range made.Refused {
		refused[made.Refused[i].Seq] = &made.Refused[i]
	}
	rest := made.Records
	for i := range all {
		s, n := &all[i], 0
		for ; n < len(rest) && rest[n].Seq == s.Seq; n++ {
			rest[n].Sub = n
		}
		s.out, s.why, rest = rest[:n:n], refused[s.Seq], rest[n:]
		if s.why != nil {
			s.out = nil
			delete(refused, s.Seq)
		}
	}
	if len(rest) > 0 || len(refused) > 0 {
		return fmt.Errorf("transform records: %d records and %d refusals belong to none of those it was given", len(rest), len(refused))
	}
	return nil
}

// sources reads a range of the log, transformed, a page at a time.
func (ln *lane) sources(ctx context.Context, t firehose.Transform, from, last shardlog.Seq) iter.Seq2[source, error] {
	return func(yield func(source, error) bool) {
		cursor := shardlog.Cursor{Next: from, Pinned: true}
		for cursor.Next <= last {
			page, err := ln.d.c.Reader.Read(ctx, ln.shard.ID, cursor, pageBudget)
			if err != nil {
				yield(source{}, err)
				return
			}
			all, err := transformed(ctx, t, within(page.Records, last))
			if err != nil {
				yield(source{}, err)
				return
			}
			for _, s := range all {
				if !yield(s, nil) {
					return
				}
			}
			if cursor = page.Next; page.Tip {
				return
			}
		}
	}
}

// within leaves out what lies behind last.
func within(page []shardlog.Record, last shardlog.Seq) []shardlog.Record {
	for n := len(page); n > 0; n-- {
		if page[n-1].Seq <= last {
			return page[:n]
		}
	}
	return nil
}
