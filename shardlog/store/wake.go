package store

import (
	"context"
	"sync"

	"headgate/shardlog"
)

// wakes are the readers that wait, by shard.
type wakes struct {
	mu     sync.Mutex
	closed bool
	wait   map[shardlog.ShardID]chan struct{}
}

// on is a channel that is closed at the shard's next change; false when the
// store is closed.
func (w *wakes) on(shard shardlog.ShardID) (<-chan struct{}, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, false
	}
	if w.wait == nil {
		w.wait = map[shardlog.ShardID]chan struct{}{}
	}
	c := w.wait[shard]
	if c == nil {
		c = make(chan struct{})
		w.wait[shard] = c
	}
	return c, true
}

func (w *wakes) wake(shards []shardlog.ShardID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range shards {
		if c := w.wait[id]; c != nil {
			close(c)
			delete(w.wait, id)
		}
	}
}

func (w *wakes) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.all()
}

// all wakes everybody.
func (w *wakes) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, c := range w.wait {
		close(c)
		delete(w.wait, id)
	}
}

// Wait returns when a record at next or behind is readable, or the shard is
// closed. Kinds: NotFound, Unavailable (the context's end).
func (s *Store) Wait(ctx context.Context, shard shardlog.ShardID, next shardlog.Seq) error {
	for {
		changed, open := s.wakes.on(shard)
		sh, err := s.shard(shard)
		if err != nil {
			return err
		}
		if sh.Closed || sh.Next > next {
			return nil
		}
		if !open {
			return &shardlog.Error{Kind: shardlog.Unavailable, Op: "wait for record", Shard: &shard}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (s *Store) shard(id shardlog.ShardID) (shardlog.Shard, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if st := s.state.byID[id.Stream]; st != nil {
		if sh := st.shardOf(id.Number); sh != nil {
			return *sh, nil
		}
	}
	return shardlog.Shard{}, &shardlog.Error{Kind: shardlog.NotFound, Op: "find shard", Shard: &id}
}
