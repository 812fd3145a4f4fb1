package devices

import (
	"context"
	"slices"
	"time"

	"headgate/shardlog"
)

const (
	pollEvery  = time.Second           // looks at the mark of the others' changes
	settleMost = 64                    // devices in one change
	settleWait = 50 * time.Millisecond // for more of them
	settleLate = 5 * time.Second       // after which it is tried again
)

// Run follows the changes of other gateways, so that open sessions end or may
// do something else, and writes down which new credentials were used, so that
// the older ones end. It answers nil when ctx ends.
func (s *Store) Run(ctx context.Context) error {
	var seen shardlog.Version
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var retryAt <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if _, version, err := s.c.States.Get(ctx, markSpace, markKey); err == nil && version != seen {
				seen = version
				s.recheckAll(ctx)
			}
			continue
		case <-s.wake:
			if !pause(ctx, settleWait) {
				return nil
			}
		case <-retryAt:
		}
		retryAt = nil
		if !s.settle(ctx) {
			retryAt = time.After(settleLate)
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// owe notes that a device connected by a credential that takes the place of
// the older one. Should it be lost, the device's next connection notes it again.
func (s *Store) owe(id string, by credential) {
	s.mu.Lock()
	if len(s.owed) < keptHeld {
		s.owed[id] = by
	}
	s.mu.Unlock()
	s.nudge()
}

func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// settle writes down what is owed; false when some of it has to wait.
func (s *Store) settle(ctx context.Context) bool {
	for {
		s.mu.Lock()
		part := make(map[string]credential, settleMost)
		for id, by := range s.owed {
			if part[id] = by; len(part) == settleMost {
				break
			}
		}
		s.mu.Unlock()
		if len(part) == 0 {
			return true
		}
		if err := s.promote(ctx, part); err != nil {
			return false
		}
		s.mu.Lock()
		for id, by := range part {
			if s.owed[id] == by {
				delete(s.owed, id)
			}
		}
		s.mu.Unlock()
	}
}

// promote has credentials take the place of the older ones, all at once.
func (s *Store) promote(ctx context.Context, all map[string]credential) error {
	return retry(ctx, func() error {
		var with []shardlog.Mutation
		var changed []string
		for id, by := range all {
			e, err := s.load(ctx, id)
			if err != nil {
				if kind := shardlog.KindOf(err); kind == shardlog.NotFound || kind == shardlog.Corrupt {
					continue
				}
				return err
			}
			r := e.row.clone()
			if !s.used(&r, by) {
				continue
			}
			changed = append(changed, id)
			with = append(with, shardlog.Mutation{Space: deviceSpace, Key: id, Value: r.text(), Expect: shardlog.At(e.version)})
		}
		if len(with) == 0 {
			return nil
		}
		if err := s.c.States.Mutate(ctx, append(with, mark())...); err != nil {
			return err
		}
		s.counts.promoted.Add(uint64(len(with)))
		s.recheck(ctx, changed...)
		return nil
	})
}

// used makes of a row what it is after the credential was used: the older one
// of its kind is gone, and the end of a certificate is known if the clock is.
// False when that is so already.
func (s *Store) used(r *row, by credential) bool {
	at, ok := r.holds(by)
	if !ok {
		return false
	}
	changed := at > 0
	if by.serial == "" {
		r.Passwords = slices.Delete(r.Passwords, 0, at)
		return changed
	}
	r.Certificates = slices.Delete(r.Certificates, 0, at)
	if now, trusted := s.clock(); trusted && r.Certificates[0].Ends.IsZero() {
		r.Certificates[0].Ends = now.Add(s.c.CertificateLife).Truncate(time.Second)
		changed = true
	}
	return changed
}
