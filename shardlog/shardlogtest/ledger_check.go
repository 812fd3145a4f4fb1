package shardlogtest

import (
	"context"
	"fmt"
	"time"

	"headgate/shardlog"
)

// Readable is what Check reads from.
type Readable interface {
	shardlog.Catalog
	shardlog.Reader
}

// Check reads the named streams, or all that are not the gateway's own, and
// compares every record with what was noted. The error is the log's; what is
// wrong with its records is in the Report. Nobody may write meanwhile.
func (l *Ledger) Check(ctx context.Context, log Readable, names ...shardlog.StreamName) (Report, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := check{ledger: l, log: log, copies: make(map[digest]int), seen: make(map[shardlog.ShardID]bool)}
	c.report.Acked = l.acked
	for _, text := range l.twice {
		c.report.found(&c.report.Twice, "%s", text)
	}
	streams, err := chosen(log, names)
	if err != nil {
		return c.report, err
	}
	for _, s := range streams {
		for _, sh := range s.Shards {
			if err := c.shard(ctx, sh); err != nil {
				return c.report, fmt.Errorf("read %s %v: %w", s.Name, sh.ID, err)
			}
		}
	}
	c.finish(len(names) == 0)
	return c.report, nil
}

func chosen(log shardlog.Catalog, names []shardlog.StreamName) ([]shardlog.Stream, error) {
	var streams []shardlog.Stream
	for _, name := range names {
		s, ok := log.Stream(name)
		if !ok {
			return nil, &shardlog.Error{Kind: shardlog.NotFound, Op: "check ledger", Stream: name}
		}
		streams = append(streams, s)
	}
	if len(names) > 0 {
		return streams, nil
	}
	for _, s := range log.Streams() {
		if !s.Name.Own() {
			streams = append(streams, s)
		}
	}
	return streams, nil
}

// check is one Check under way.
type check struct {
	ledger *Ledger
	log    Readable
	report Report
	copies map[digest]int // readable copies of each entry
	seen   map[shardlog.ShardID]bool
}

// shard reads one shard from its horizon to its tip.
func (c *check) shard(ctx context.Context, sh shardlog.Shard) error {
	c.seen[sh.ID] = true
	acks := c.ledger.acks[sh.ID]
	read := make(map[shardlog.Seq]bool)
	cursor, next := shardlog.Cursor{Next: 1}, sh.Oldest
	var arrived time.Time
	for {
		page, err := c.log.Read(ctx, sh.ID, cursor, shardlog.Budget{Records: 1000, Bytes: 1 << 20})
		if err != nil {
			return err
		}
		for _, g := range page.Gaps {
			c.gap(g, acks, read)
			next = max(next, g.Last+1)
		}
		for _, r := range page.Records {
			switch {
			case r.Seq < next:
				c.report.found(&c.report.Twice, "%v: %d is read again", sh.ID, r.Seq)
			case r.Seq > next:
				c.report.found(&c.report.Holes, "%v: %d follows %d", sh.ID, r.Seq, next-1)
			}
			if r.Arrived.Before(arrived) {
				c.report.found(&c.report.Disordered, "%v: %d arrived before the record before it", sh.ID, r.Seq)
			}
			arrived, next = r.Arrived, max(next, r.Seq+1)
			read[r.Seq] = true
			c.record(sh, r, acks)
		}
		if page.Tip || page.Next.Next <= cursor.Next {
			break
		}
		cursor = page.Next
	}
	if next != sh.Next {
		c.report.found(&c.report.Holes, "%v ends at %d, its next is %d", sh.ID, next-1, sh.Next)
	}
	c.unread(sh, acks, read)
	return nil
}

// gap takes the records of a gap as accounted for.
func (c *check) gap(g shardlog.Gap, acks map[shardlog.Seq]ack, read map[shardlog.Seq]bool) {
	for seq, a := range acks {
		if seq >= g.First && seq <= g.Last && !read[seq] {
			read[seq] = true
			c.copies[a.digest]++
			c.report.GivenUp++
		}
	}
}

func (c *check) record(sh shardlog.Shard, r shardlog.Record, acks map[shardlog.Seq]ack) {
	d := digestOf(r.Key, r.Data, r.Meta)
	c.report.Read++
	c.copies[d]++
	if c.ledger.tries[d] == 0 {
		c.report.found(&c.report.Strange, "%v: nobody handed in %d, key %q", sh.ID, r.Seq, r.Key)
	} else if c.copies[d] > c.ledger.tries[d] {
		c.report.found(&c.report.Copied, "%v: %d is copy %d of %d tries, key %q", sh.ID, r.Seq, c.copies[d], c.ledger.tries[d], r.Key)
	}
	if a, ok := acks[r.Seq]; ok && (a.digest != d || a.number != sh.Number(r.Seq, r.Arrived)) {
		c.report.found(&c.report.Altered, "%v: %d was acknowledged as %v, is %v with key %q", sh.ID, r.Seq, a.number, sh.Number(r.Seq, r.Arrived), r.Key)
	}
}

// unread finds what was acknowledged and is not there.
func (c *check) unread(sh shardlog.Shard, acks map[shardlog.Seq]ack, read map[shardlog.Seq]bool) {
	for seq, a := range acks {
		switch {
		case read[seq]:
		case seq < sh.Oldest:
			c.copies[a.digest]++
			c.report.Expired++
		default:
			c.report.found(&c.report.Missing, "%v: %d is missing", sh.ID, seq)
		}
	}
}

// finish looks at what belongs to no single place.
func (c *check) finish(all bool) {
	for id, acks := range c.ledger.acks {
		if all && !c.seen[id] {
			for seq := range acks {
				c.report.found(&c.report.Missing, "%v of stream %d: %d is missing with its shard", id, id.Stream, seq)
			}
		}
	}
	for d, n := range c.ledger.loose {
		for range n - c.copies[d] {
			c.report.found(&c.report.Missing, "an entry that was acknowledged is nowhere")
		}
	}
}
