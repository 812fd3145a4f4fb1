package shadow

import (
	"context"
	"time"

	"headgate/shardlog"
)

// List are the names of a thing's shadows in order; that of the classic one is
// empty. The error is a *Rejection.
func (s *Service) List(ctx context.Context, thing string) ([]string, error) {
	if err := (ID{Thing: thing}).check(); err != nil {
		return nil, s.stats.reject(err)
	}
	var all []string
	for key, b := range s.config.States.List(ctx, space, ID{Thing: thing}.key()) {
		if r, err := decodeRow(b); err == nil && r.there() {
			all = append(all, idOf(key).Name)
		}
	}
	return all, nil
}

// room finds whether there may be one more shadow. Where the thing has too many
// rows, the oldest that a deleted shadow left makes room: the change deletes it.
// The error is a *Rejection.
func (s *Service) room(ctx context.Context, id ID) ([]shardlog.Mutation, error) {
	rows, oldest, age := 0, "", ""
	for key, b := range s.config.States.List(ctx, space, ID{Thing: id.Thing}.key()) {
		rows++
		if r, err := decodeRow(b); err == nil && r.deleted && (oldest == "" || string(r.at) < age) {
			oldest, age = key, string(r.at)
		}
	}
	if rows < MaxNamed && s.known(ctx) < s.config.Most {
		return nil, nil
	}
	if oldest != "" {
		return s.forget(ctx, nil, oldest, row.left), nil
	}
	if rows >= MaxNamed {
		return nil, reject(400, "The thing has as many shadows as it may have: "+itoa(MaxNamed))
	}
	return nil, reject(400, "There are as many shadows as there may be: "+itoa(int64(s.config.Most)))
}

// forget appends the mutation that deletes a row, if it is still one that may go.
func (s *Service) forget(ctx context.Context, to []shardlog.Mutation, key string, may func(row) bool) []shardlog.Mutation {
	b, version, err := s.config.States.Get(ctx, space, key)
	if err != nil {
		return to
	}
	if r, err := decodeRow(b); err != nil || !may(r) {
		return to
	}
	return append(to, shardlog.Mutation{Space: space, Key: key, Expect: shardlog.At(version)})
}

// left reports whether the row is what a deleted shadow left.
func (r row) left() bool { return r.deleted }

// recount is how long a count of all rows is good. Another gateway's are not in
// it meanwhile, so there may be a few more than there may be.
const recount = time.Minute

// known is how many rows there are.
func (s *Service) known(ctx context.Context) int {
	now := s.config.Now()
	s.mu.Lock()
	fresh := !s.counted.IsZero() && now.Sub(s.counted).Abs() < recount
	count := s.count
	s.mu.Unlock()
	if fresh {
		return count
	}
	count = s.sweep(ctx, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count, s.counted = count, now
	return count
}

// sweep counts the rows, and drops what is left of shadows that were deleted
// long ago.
func (s *Service) sweep(ctx context.Context, now time.Time) (count int) {
	may := func(r row) bool { return r.forgotten(now) }
	var keys []string
	for key, b := range s.config.States.List(ctx, space, "") {
		count++
		if r, err := decodeRow(b); err == nil && may(r) && len(keys) < maxSweep {
			keys = append(keys, key)
		}
	}
	var gone []shardlog.Mutation
	for _, key := range keys {
		gone = s.forget(ctx, gone, key, may)
	}
	if len(gone) == 0 {
		return count
	}
	if err := s.config.States.Mutate(ctx, gone...); err != nil {
		s.config.Log.Warn("forget deleted shadows", "error", err)
		return count
	}
	return count - len(gone)
}

// maxSweep bounds the rows that one sweep drops.
const maxSweep = 500

// add counts rows that were made here.
func (s *Service) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count += n
}
