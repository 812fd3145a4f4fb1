package mqtt

import (
	"context"
	"sync"
	"time"

	"headgate/shardlog"
)

// releaseBatch is how many ids one Mutate removes.
const releaseBatch = 1024

// release is the removal of one QoS 2 id.
type release struct {
	conn    *conn // gets PUBCOMP; nil: nobody does
	session *session
	id      uint16
}

// releaser removes QoS 2 ids from the replicated state, all that wait in one
// Mutate, and answers PUBCOMP after it.
type releaser struct {
	server *Server
	signal chan struct{}

	mu    sync.Mutex
	queue []release // bounded by the ids that sessions may hold
}

// add queues a removal.
func (r *releaser) add(rel release) {
	r.server.open.Add(1)
	r.mu.Lock()
	r.queue = append(r.queue, rel)
	r.mu.Unlock()
	select {
	case r.signal <- struct{}{}:
	default:
	}
}

// take removes up to a batch from the queue.
func (r *releaser) take() []release {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.queue), releaseBatch)
	batch := r.queue[:n:n]
	if r.queue = r.queue[n:]; len(r.queue) == 0 {
		r.queue = nil
	}
	return batch
}

// run removes until ctx ends.
func (r *releaser) run(ctx context.Context) {
	for {
		batch := r.take()
		if len(batch) == 0 {
			select {
			case <-r.signal:
				continue
			case <-ctx.Done():
				return
			}
		}
		if !r.remove(ctx, batch) {
			return
		}
		for _, rel := range batch {
			rel.session.forget(rel.id)
			if rel.conn != nil {
				rel.conn.complete(rel.id, 0)
			}
		}
		r.server.open.Add(-int64(len(batch)))
	}
}

// remove tries until the ids are gone; false: ctx ended.
func (r *releaser) remove(ctx context.Context, batch []release) bool {
	gone := make([]shardlog.Mutation, len(batch))
	for i, rel := range batch {
		gone[i] = shardlog.Mutation{Space: qos2, Key: idKey(rel.session.client, rel.id)}
	}
	wait := firstRetry
	for {
		err := r.server.cfg.States.Mutate(ctx, gone...)
		if err == nil {
			return true
		}
		if _, again := judge(err); !again {
			r.server.cfg.Log.Error("remove packet ids", "error", err)
		}
		r.server.stats.retries.Add(1)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
		wait = min(2*wait, mostHold)
	}
}
