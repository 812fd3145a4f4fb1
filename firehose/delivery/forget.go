package delivery

import (
	"context"
	"fmt"

	"headgate/shardlog"
)

// forgetAtOnce is how many shards are forgotten in one Mutate.
const forgetAtOnce = 256

// Forget drops all state of a delivery that is no longer wanted: its sealed
// batches, its orders, its cursors and, with them, its pins on the log. The delivery must
// not run. Kinds: those of States.
func Forget(ctx context.Context, states shardlog.States, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	gone := []shardlog.Mutation{{Space: Space, Key: specKey(name)}, {Space: Space, Key: controlKey(name)}}
	for key := range states.List(ctx, Space, name+"/") {
		if _, shard, ok := parseStateKey(key); ok {
			gone = append(gone, shardlog.Mutation{Space: Space, Key: key},
				shardlog.Mutation{Space: shardlog.Cursors, Key: shardlog.CursorKey(shard, consumer(name))})
		}
	}
	for len(gone) > 0 {
		n := min(len(gone), 2*forgetAtOnce)
		if err := states.Mutate(ctx, gone[:n]...); err != nil {
			return fmt.Errorf("forget delivery %s: %w", name, err)
		}
		gone = gone[n:]
	}
	return nil
}

// Position is how far a delivery has got in one shard.
type Position struct {
	Delivery string
	Shard    shardlog.ShardID
	Next     shardlog.Seq // the first record that is not known to be delivered
	Sealed   int          // batches on their way
	Totals   Totals
}

// List tells the positions of all deliveries by name and shard, whether or
// not they run here; also of those that nobody configures any more, for they
// still pin the log until Forget. Kinds: Corrupt, Unavailable.
func List(ctx context.Context, states shardlog.States) ([]Position, error) {
	var all []Position
	for key, value := range states.List(ctx, Space, "") {
		name, shard, ok := parseStateKey(key)
		if !ok {
			continue
		}
		s, err := decodeState(value)
		if err != nil {
			return all, fmt.Errorf("list deliveries: %s: %w", key, err)
		}
		all = append(all, Position{Delivery: name, Shard: shard, Next: s.Next, Sealed: len(s.Intents), Totals: s.Totals})
	}
	return all, ctx.Err()
}
