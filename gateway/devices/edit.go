package devices

import (
	"context"
	"errors"
	"time"

	"headgate/shardlog"
)

// A change that lost a race is tried again: another gateway's change may take a
// moment to arrive here.
const (
	editTries = 8
	editPause = 20 * time.Millisecond // more each time
)

// errKeep says that nothing has to be changed.
var errKeep = errors.New("nothing to change")

// retry makes a change until it is not in another one's way. Kinds: Conflict
// when it always was; those of change.
func retry(ctx context.Context, change func() error) error {
	for try := 1; ; try++ {
		err := change()
		if err == nil || shardlog.KindOf(err) != shardlog.Conflict || try == editTries {
			return err
		}
		t := time.NewTimer(time.Duration(try) * editPause)
		select {
		case <-ctx.Done():
			t.Stop()
			return err
		case <-t.C:
		}
	}
}

// edit changes a device that is there, and ends the sessions here that it no
// longer allows. The function gets a row that it may change, and may add
// further mutations that hold only together with it.
func (s *Store) edit(ctx context.Context, id string, change func(*row) ([]shardlog.Mutation, error)) (Device, error) {
	var d Device
	err := retry(ctx, func() error {
		e, err := s.load(ctx, id)
		if err != nil {
			return err
		}
		r := e.row.clone()
		with, err := change(&r)
		if err == errKeep {
			d = e.row.shown(id)
			return nil
		}
		if err != nil {
			return err
		}
		d = r.shown(id)
		return s.c.States.Mutate(ctx, append(with,
			shardlog.Mutation{Space: deviceSpace, Key: id, Value: r.text(), Expect: shardlog.At(e.version)}, mark())...)
	})
	s.recheck(ctx, id)
	return d, err
}

// simply is edit without further mutations.
func (s *Store) simply(ctx context.Context, id string, change func(*row) error) (Device, error) {
	return s.edit(ctx, id, func(r *row) ([]shardlog.Mutation, error) { return nil, change(r) })
}
