package shardlogtest

import (
	"context"
	"fmt"
	"sync"

	"headgate/shardlog"
)

var waitClauses = []clause{
	{"a record that is there is not waited for", waitNot},
	{"a record wakes all who wait for it", waitWakes},
	{"the end of the context ends the wait", waitEnds},
	{"a deleted stream ends the wait", waitDeleted},
}

func waitNot(b *bench) {
	s := b.stream(1)
	b.put(s.Name, entries("w", 2)...)
	for next := range shardlog.Seq(3) {
		if err := b.Wait(b.ctx, s.Shards[0].ID, next); err != nil {
			b.Errorf("wait for %d of 2: %v", next, err)
		}
	}
}

// waiters begins n waits, for records 1 to n, and answers where each ends.
// They end with ctx at the latest, and the clause waits for them.
func (b *bench) waiters(ctx context.Context, id shardlog.ShardID, n int) []chan error {
	var group sync.WaitGroup
	b.Cleanup(group.Wait)
	ends := make([]chan error, n)
	for i := range ends {
		ends[i] = make(chan error, 1)
		group.Go(func() { ends[i] <- b.Wait(ctx, id, shardlog.Seq(i+1)) })
	}
	return ends
}

func waitWakes(b *bench) {
	const n = 6
	s := b.stream(1)
	id := s.Shards[0].ID
	ends := b.waiters(b.ctx, id, n)
	for i := range n {
		b.put(s.Name, entries(fmt.Sprint(i), 1)...)
		if err := <-ends[i]; err != nil {
			b.Fatalf("wait for record %d: %v", i+1, err)
		}
		if page := b.read(id, shardlog.Cursor{Next: shardlog.Seq(i + 1)}, wide); len(page.Records) == 0 {
			b.Fatalf("record %d is not readable after the wait", i+1)
		}
		for later := i + 1; later < n; later++ {
			select {
			case err := <-ends[later]:
				b.Fatalf("the wait for record %d ended after record %d: %v", later+1, i+1, err)
			default:
			}
		}
	}
}

func waitEnds(b *bench) {
	s := b.stream(1)
	ctx, cancel := context.WithCancel(b.ctx)
	ends := b.waiters(ctx, s.Shards[0].ID, 3)
	cancel()
	for _, end := range ends {
		b.wants(<-end, shardlog.Unavailable)
	}
	b.wants(b.Wait(ctx, s.Shards[0].ID, 1), shardlog.Unavailable)
}

func waitDeleted(b *bench) {
	s := b.stream(1)
	ends := b.waiters(b.ctx, s.Shards[0].ID, 3)
	if err := b.DeleteStream(b.ctx, s.Name); err != nil {
		b.Fatal(err)
	}
	for _, end := range ends {
		if err := <-end; err != nil {
			b.wants(err, shardlog.NotFound)
		}
	}
}
