package delivery

import (
	"context"
	"fmt"

	"headgate/shardlog"
)

// Pause stops a delivery wherever it runs, within two seconds and until
// Resume. What is sealed stays sealed, and the log stays pinned. It may be
// called before the delivery is made. Kinds: Invalid and those of States.
func Pause(ctx context.Context, states shardlog.States, name string) error {
	return order(ctx, states, name, func(o *orders) { o.Paused = true })
}

// Resume undoes Pause. Kinds: Invalid and those of States.
func Resume(ctx context.Context, states shardlog.States, name string) error {
	return order(ctx, states, name, func(o *orders) { o.Paused = false })
}

// Target is where a delivery is to go on in one shard.
type Target struct {
	Delivery string
	Shard    shardlog.ShardID
	Next     shardlog.Seq // the record to go on with; it is not compared with the log
	Force    bool         // drop sealed batches, though they may be at the destination
}

// Seek makes a delivery go on elsewhere in a shard, within two seconds if it
// runs. Whether a sealed batch was tried is not known durably, so any of them
// counts as tried: without Force it answers InUse. Kinds: Invalid, InUse,
// Corrupt, NotFound when the delivery never worked on the shard, and those of
// States.
func Seek(ctx context.Context, states shardlog.States, to Target) error {
	if err := checkName(to.Delivery); err != nil {
		return err
	}
	if to.Next == 0 {
		return invalid("seek %s: records are numbered from 1", to.Delivery)
	}
	return again(ctx, func() error { return seek(ctx, states, to) })
}

func seek(ctx context.Context, states shardlog.States, to Target) error {
	key := stateKey(to.Delivery, to.Shard)
	b, version, err := states.Get(ctx, Space, key)
	if err != nil {
		return fmt.Errorf("seek delivery %s: %w", to.Delivery, err)
	}
	s, err := decodeState(b)
	if err != nil {
		return err
	}
	if len(s.Intents) > 0 && !to.Force {
		return shardlog.Errorf(shardlog.InUse, "seek delivery", "%s: a sealed batch may be at the destination already", to.Delivery)
	}
	s.Next, s.Intents, s.Ahead = to.Next, nil, nil
	if b, err = encodeState(s); err != nil {
		return err
	}
	cursor, err := moved(ctx, states, to)
	if err != nil {
		return err
	}
	o, was, err := readOrders(ctx, states, to.Delivery)
	if err != nil {
		return err
	}
	o.Seeks++
	notice, err := o.mutation(to.Delivery, was)
	if err != nil {
		return err
	}
	return states.Mutate(ctx, shardlog.Mutation{Space: Space, Key: key, Value: b, Expect: shardlog.At(version)}, cursor, notice)
}

// moved is the shard's cursor at its new place, pinning as it did.
func moved(ctx context.Context, states shardlog.States, to Target) (shardlog.Mutation, error) {
	key := shardlog.CursorKey(to.Shard, consumer(to.Delivery))
	b, _, err := states.Get(ctx, shardlog.Cursors, key)
	if err != nil {
		return shardlog.Mutation{}, fmt.Errorf("seek delivery %s: %w", to.Delivery, err)
	}
	c, err := shardlog.DecodeCursor(b)
	if err != nil {
		return shardlog.Mutation{}, err
	}
	c.Next = to.Next
	return shardlog.Mutation{Space: shardlog.Cursors, Key: key, Value: shardlog.EncodeCursor(c)}, nil
}

// order changes the orders of a delivery.
func order(ctx context.Context, states shardlog.States, name string, change func(*orders)) error {
	if err := checkName(name); err != nil {
		return err
	}
	return again(ctx, func() error {
		o, was, err := readOrders(ctx, states, name)
		if err != nil {
			return err
		}
		change(&o)
		m, err := o.mutation(name, was)
		if err != nil {
			return err
		}
		return states.Mutate(ctx, m)
	})
}

// again tries until nobody else changes the same meanwhile.
func again(ctx context.Context, try func() error) error {
	for {
		err := try()
		if shardlog.KindOf(err) != shardlog.Conflict || ctx.Err() != nil {
			return err
		}
	}
}
