package gateway

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/shardlog"
)

// Start says where reading a stream begins.
type Start struct {
	Latest bool                     // behind the newest record
	Time   time.Time                // at the first record that arrived then or later
	Number *shardlog.SequenceNumber // at that record, and only in its shard
}

// ParseStart reads trim-horizon (oldest), latest (newest), a sequence number,
// a time in RFC 3339, or a span before now such as 10m.
func ParseStart(text string, now time.Time) (Start, error) {
	switch strings.ReplaceAll(text, "_", "-") {
	case "", "trim-horizon", "oldest":
		return Start{}, nil
	case "latest", "newest":
		return Start{Latest: true}, nil
	}
	if n, err := shardlog.ParseSequenceNumber(text); err == nil {
		return Start{Number: &n}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return Start{Time: at}, nil
	}
	if ago, err := ParseDuration(text); err == nil {
		return Start{Time: now.Add(-time.Duration(ago))}, nil
	}
	return Start{}, shardlog.Errorf(shardlog.Invalid, "parse start",
		"%q: write trim-horizon, latest, a sequence number, a time such as 2026-01-31T10:00:00Z or a span such as 10m", text)
}

// tailPage bounds what is read at once from one shard.
var tailPage = shardlog.Budget{Records: 500, Bytes: 256 << 10}

// found is a record, or a gap in front of one, on its way to whoever tails.
type found struct {
	shard  shardlog.Shard
	record shardlog.Record
	gap    *shardlog.Gap
}

// tail reads all shards of a stream, merged by time of arrival.
type tail struct {
	reader  shardlog.Reader
	catalog shardlog.Catalog // nil: children of shards that end are not followed
	feeds   []*feed          // while it follows, guarded by follow's lock
}

// feed is the place of a tail in one shard.
type feed struct {
	shard  shardlog.Shard
	cursor shardlog.Cursor
	stop   shardlog.Seq // what was there when the tail began ends before it
	queue  []found
	done   bool
	ended  bool // its shard is closed and read
}

// newTail finds the start in each shard; shard nil means all of them.
func newTail(ctx context.Context, reader shardlog.Reader, stream shardlog.Stream, shard *uint32, from Start) (*tail, error) {
	t := &tail{reader: reader}
	if from.Number != nil {
		if shard != nil && *shard != from.Number.Shard {
			return nil, shardlog.Errorf(shardlog.Invalid, "tail", "that sequence number lies in shard %d", from.Number.Shard)
		}
		shard = &from.Number.Shard
	}
	for _, s := range stream.Shards {
		if shard != nil && s.ID.Number != *shard {
			continue
		}
		f := &feed{shard: s, stop: s.Next}
		switch {
		case from.Number != nil:
			f.cursor.Next = from.Number.Index
		case from.Latest:
			f.cursor.Next = s.Next
		case !from.Time.IsZero():
			cursor, err := reader.Seek(ctx, s.ID, from.Time)
			if err != nil {
				return nil, fmt.Errorf("seek %v: %w", s.ID, err)
			}
			f.cursor = cursor
		}
		t.feeds = append(t.feeds, f)
	}
	if len(t.feeds) == 0 {
		return nil, &shardlog.Error{Kind: shardlog.NotFound, Op: "tail", Stream: stream.Name, Err: fmt.Errorf("no such shard")}
	}
	return t, nil
}

// history yields what was there when the tail began, oldest arrival first.
func (t *tail) history(ctx context.Context, yield func(found) error) error {
	for {
		var first *feed
		for _, f := range t.feeds {
			if err := t.fill(ctx, f); err != nil {
				return err
			}
			if len(f.queue) > 0 && (first == nil || f.queue[0].at().Before(first.queue[0].at())) {
				first = f
			}
		}
		if first == nil {
			return nil
		}
		if err := yield(first.queue[0]); err != nil {
			return err
		}
		first.queue = first.queue[1:]
	}
}

func (f found) at() time.Time {
	if f.gap != nil {
		return time.Time{} // in front of everything else of its shard
	}
	return f.record.Arrived
}

// fill reads the next page of a feed that has run empty.
func (t *tail) fill(ctx context.Context, f *feed) error {
	for len(f.queue) == 0 && !f.done {
		if f.cursor.Next >= f.stop {
			f.done = true
			return nil
		}
		page, err := t.reader.Read(ctx, f.shard.ID, f.cursor, tailPage)
		if err != nil {
			return fmt.Errorf("read %v: %w", f.shard.ID, err)
		}
		f.take(page)
		f.done = page.End || page.Tip && len(page.Records) == 0
	}
	return nil
}

func (f *feed) take(page shardlog.Page) {
	for i := range page.Gaps {
		f.queue = append(f.queue, found{shard: f.shard, gap: &page.Gaps[i]})
	}
	for _, r := range page.Records {
		f.queue = append(f.queue, found{shard: f.shard, record: r})
	}
	f.cursor = page.Next
}

// follow yields what arrives from now on, until ctx ends. Where a shard is
// split or merged it goes on with the children, once it has read their parents.
func (t *tail) follow(ctx context.Context, yield func(found) error) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	var begin func(f *feed)
	begin = func(f *feed) {
		group.Go(func() error {
			if err := t.followShard(ctx, f, &mu, yield); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, heir := range t.heirs(f) {
				begin(heir)
			}
			return nil
		})
	}
	for _, f := range slices.Clone(t.feeds) {
		begin(f)
	}
	return group.Wait()
}

// followShard yields what arrives in one shard, until it ends.
func (t *tail) followShard(ctx context.Context, f *feed, mu *sync.Mutex, yield func(found) error) error {
	for {
		if err := t.reader.Wait(ctx, f.shard.ID, max(f.cursor.Next, 1)); err != nil {
			return err
		}
		page, err := t.reader.Read(ctx, f.shard.ID, f.cursor, tailPage)
		if err != nil {
			return fmt.Errorf("read %v: %w", f.shard.ID, err)
		}
		f.take(page)
		mu.Lock()
		for _, found := range f.queue {
			if err = yield(found); err != nil {
				break
			}
		}
		mu.Unlock()
		f.queue = f.queue[:0]
		if err != nil || page.End {
			return err
		}
	}
}

// heirs are feeds of the shards that go on where one ended, without those whose
// other parent is still read. It is called with follow's lock held.
func (t *tail) heirs(ended *feed) (all []*feed) {
	ended.ended = true
	if t.catalog == nil {
		return nil
	}
	stream, _ := t.catalog.StreamByID(ended.shard.ID.Stream)
	for _, s := range stream.Shards {
		number := ended.shard.ID.Number
		if !(s.Parent != nil && *s.Parent == number || s.Adjacent != nil && *s.Adjacent == number) || t.waits(s) {
			continue
		}
		f := &feed{shard: s}
		t.feeds, all = append(t.feeds, f), append(all, f)
	}
	return all
}

// waits reports whether a shard is read already, or a parent of it still is.
func (t *tail) waits(s shardlog.Shard) bool {
	return slices.ContainsFunc(t.feeds, func(f *feed) bool {
		parent := s.Parent != nil && f.shard.ID.Number == *s.Parent || s.Adjacent != nil && f.shard.ID.Number == *s.Adjacent
		return f.shard.ID == s.ID || parent && !f.ended
	})
}

// parseShard reads a shard's number, or its name as AWS writes it.
func parseShard(text string) (*uint32, error) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "shardId-"), 10, 32)
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "parse shard", "%q: write 0 or shardId-000000000000", text)
	}
	number := uint32(n)
	return &number, nil
}
