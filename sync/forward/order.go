package forward

import (
	"context"
	"errors"
	"iter"
	"time"

	"headgate/shardlog"
)

// op is what an order asks for.
type op byte

const (
	opCreate op = iota + 1
	opDelete
	opRetention
	opMutate
	opConcede
	opSplit
	opMerge
	opRecordSize
)

// order is a change of streams or state that the leader makes.
type order struct {
	op      op
	spec    shardlog.StreamSpec // opCreate; others use its Name, opRetention its Retention, opRecordSize its RecordKiB
	changes []shardlog.Mutation // opMutate, opConcede
	gaps    []shardlog.Gap      // opConcede
	shards  [2]shardlog.ShardID // opSplit: the first; opMerge
	start   shardlog.Hash       // opSplit
	blind   bool                // who asks does not read the outcome here
}

func (o order) name() string {
	return [...]string{"order", "create stream", "delete stream", "set retention", "mutate", "concede", "split shard", "merge shards", "set record size"}[o.op]
}

// follow does what the order asks for, here.
func (f *Carrier) follow(ctx context.Context, o order) error {
	l := f.c.Local
	switch o.op {
	case opCreate:
		return l.CreateStream(ctx, o.spec)
	case opDelete:
		return l.DeleteStream(ctx, o.spec.Name)
	case opRetention:
		return l.SetRetention(ctx, o.spec.Name, o.spec.Retention)
	case opRecordSize:
		return l.SetRecordSize(ctx, o.spec.Name, o.spec.RecordKiB)
	case opSplit:
		return l.SplitShard(ctx, o.shards[0], o.start)
	case opMerge:
		return l.MergeShards(ctx, o.shards[0], o.shards[1])
	case opMutate:
		return l.Mutate(ctx, o.changes...)
	case opConcede:
		return l.Concede(ctx, o.gaps, o.changes...)
	}
	return shardlog.Errorf(shardlog.Invalid, "order", "operation %d", o.op)
}

// order brings an order to the leader, once. The index is what the leader had
// applied when it answered, with an error too.
func (f *Carrier) order(ctx context.Context, o order) (index uint64, err error) {
	if f.c.Leadership.Leading() {
		err := f.follow(ctx, o)
		return f.c.Applied(), err
	}
	to := f.look()
	answer, err := f.ask(ctx, to, ControlPath, encodeOrder(to.term, o))
	if err != nil {
		return 0, err
	}
	index = answer.uint()
	err = answer.fault()
	if e := answer.end("decode answer"); e != nil {
		return 0, unknown(o.name(), o.spec.Name, e)
	}
	return index, err
}

// command brings an order to the leader, waits a while for one, and returns
// when this gateway has applied what was done, or what stood in its way.
func (f *Carrier) command(ctx context.Context, o order) error {
	if err := ctx.Err(); err != nil {
		return unavailable(o.name(), o.spec.Name, err)
	}
	patient := time.Now().Add(patience)
	for wait := leastRetry; ; wait = min(2*wait, mostRetry) {
		f.mu.Lock()
		isolated, changed := f.iso.isolated, f.changed
		f.mu.Unlock()
		if isolated {
			return unavailable(o.name(), o.spec.Name, errIsolated)
		}
		index, err := f.order(ctx, o)
		if err == nil || shardlog.KindOf(err) != shardlog.Unavailable {
			return f.seen(ctx, o, index, err)
		}
		if time.Now().After(patient) {
			return err
		}
		if e := pause(ctx, min(wait, patience), changed); e != nil {
			return unavailable(o.name(), o.spec.Name, e)
		}
		wait = anew(wait, changed)
	}
}

// seen waits until this gateway has applied what the answer speaks of. When it
// is cut off before, the outcome counts as unknown: reads here would not show it.
func (f *Carrier) seen(ctx context.Context, o order, index uint64, err error) error {
	if err != nil {
		f.catchUp(ctx, index)
		return err
	}
	if e := f.await(ctx, index); e != nil && !(o.blind && errors.Is(e, errIsolated)) {
		return unknown(o.name(), o.spec.Name, e)
	}
	return nil
}

// catchUp waits a while until this gateway has applied a command, so that
// reads here show why something was refused.
func (f *Carrier) catchUp(ctx context.Context, index uint64) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	_ = f.await(ctx, index)
}

// Control is the door for streams: the leader changes them, and a call returns
// when this gateway has applied the change. While isolated it answers
// Unavailable. An Unknown is not tried again.
func (f *Carrier) Control() shardlog.Control { return control{f} }

type control struct{ f *Carrier }

// CreateStream is shardlog.Control's.
func (c control) CreateStream(ctx context.Context, spec shardlog.StreamSpec) error {
	return c.f.command(ctx, order{op: opCreate, spec: spec})
}

// DeleteStream is shardlog.Control's.
func (c control) DeleteStream(ctx context.Context, name shardlog.StreamName) error {
	return c.f.command(ctx, order{op: opDelete, spec: shardlog.StreamSpec{Name: name}})
}

// SetRetention is shardlog.Control's.
func (c control) SetRetention(ctx context.Context, name shardlog.StreamName, retention time.Duration) error {
	return c.f.command(ctx, order{op: opRetention, spec: shardlog.StreamSpec{Name: name, Retention: retention}})
}

// SetRecordSize is shardlog.Control's.
func (c control) SetRecordSize(ctx context.Context, name shardlog.StreamName, kib int) error {
	return c.f.command(ctx, order{op: opRecordSize, spec: shardlog.StreamSpec{Name: name, RecordKiB: kib}})
}

// SplitShard is shardlog.Control's.
func (c control) SplitShard(ctx context.Context, shard shardlog.ShardID, start shardlog.Hash) error {
	return c.f.command(ctx, order{op: opSplit, shards: [2]shardlog.ShardID{shard}, start: start})
}

// MergeShards is shardlog.Control's.
func (c control) MergeShards(ctx context.Context, shard, adjacent shardlog.ShardID) error {
	return c.f.command(ctx, order{op: opMerge, shards: [2]shardlog.ShardID{shard, adjacent}})
}

// States is the door for small state: reads show what this gateway has
// applied, and Mutate returns when that includes its changes. While isolated
// Mutate answers Unavailable; one that spools keeps deletions that expect
// nothing, which is how doors release what is not needed any more, and makes
// them later, in order with the Puts that were spooled. Until then reads do
// not show them, and its Mutates of the same spaces wait behind them.
func (f *Carrier) States(spools bool) shardlog.States { return states{f, spools} }

type states struct {
	f      *Carrier
	spools bool
}

// Get is shardlog.States's.
func (s states) Get(ctx context.Context, space shardlog.Space, key string) ([]byte, shardlog.Version, error) {
	return s.f.c.States.Get(ctx, space, key)
}

// List is shardlog.States's.
func (s states) List(ctx context.Context, space shardlog.Space, prefix string) iter.Seq2[string, []byte] {
	return s.f.c.States.List(ctx, space, prefix)
}

// Mutate is shardlog.States's.
func (s states) Mutate(ctx context.Context, m ...shardlog.Mutation) error {
	if err := ctx.Err(); err != nil {
		return unavailable("mutate", "", err)
	}
	if len(m) == 0 {
		return nil
	}
	if err := shardlog.CheckMutations(m); err != nil {
		return err
	}
	if s.spools && s.f.c.Spool != nil {
		kept, err := s.f.keepChanges(ctx, m)
		if kept || err != nil {
			return err
		}
	}
	return s.f.command(ctx, order{op: opMutate, changes: m, blind: s.spools && releases(m)})
}

// keepChanges spools changes while isolated, and holds them back while others
// of their spaces are in the spool. False: the leader makes them.
func (f *Carrier) keepChanges(ctx context.Context, m []shardlog.Mutation) (kept bool, err error) {
	patient := time.Now().Add(patience)
	for {
		f.mu.Lock()
		isolated, waits, changed := f.iso.isolated, f.queue.holdsAny(m), f.changed
		f.mu.Unlock()
		switch {
		case isolated && !releases(m):
			return false, unavailable("mutate", "", errIsolated)
		case isolated:
			s := &slip{n: shardlog.Numbered{With: m}, bytes: weighChanges(m) + 64}
			if back, err := f.desk.keep(ctx, s); !back {
				return err == nil, err
			}
			continue
		case !waits:
			return false, nil
		case !time.Now().Before(patient):
			return false, unavailable("mutate", "", errBehind)
		}
		if err := pause(ctx, time.Until(patient), changed); err != nil {
			return false, unavailable("mutate", "", err)
		}
	}
}

// releases reports whether the changes are deletions that expect nothing.
func releases(m []shardlog.Mutation) bool {
	for i := range m {
		if _, checked := m[i].Expect.Wanted(); checked || m[i].Value != nil {
			return false
		}
	}
	return true
}
