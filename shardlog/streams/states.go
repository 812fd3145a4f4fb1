package streams

import (
	"context"
	"iter"

	"headgate/shardlog"
)

// Get reads a value of small state; see shardlog.States.
func (l *Log) Get(ctx context.Context, space shardlog.Space, key string) ([]byte, shardlog.Version, error) {
	return l.c.States.Get(ctx, space, key)
}

// List yields values of small state; see shardlog.States.
func (l *Log) List(ctx context.Context, space shardlog.Space, prefix string) iter.Seq2[string, []byte] {
	return l.c.States.List(ctx, space, prefix)
}

// Mutate changes small state; see shardlog.States.
func (l *Log) Mutate(ctx context.Context, m ...shardlog.Mutation) error {
	if err := ctx.Err(); err != nil {
		return unavailable("mutate", "", err)
	}
	if len(m) == 0 {
		return nil
	}
	if err := shardlog.CheckMutations(m); err != nil {
		return err
	}
	return l.control(ctx, shardlog.Mutate{At: l.clock.Stamp().At, Mutations: m})
}

// expected holds mutations against the state, each as those before it leave
// it. A second expectation of one key that the first change cannot meet fails
// here, and not the whole command.
func (l *Log) expected(ctx context.Context, with []shardlog.Mutation) error {
	var changed map[cell]bool // by these mutations: is there a value now
	for i, m := range with {
		at := cell{m.Space, m.Key}
		present, again := changed[at]
		if wanted, checked := m.Expect.Wanted(); checked {
			version, err := shardlog.Version(0), error(nil)
			if !again {
				_, version, err = l.c.States.Get(ctx, m.Space, m.Key)
			}
			if err != nil && shardlog.KindOf(err) != shardlog.NotFound {
				return err
			}
			if !m.Expect.Met(version) || present {
				return shardlog.Errorf(shardlog.Conflict, "put", "%s %q is not at version %d", m.Space, m.Key, wanted)
			}
		}
		if i == len(with)-1 {
			break
		}
		if changed == nil {
			changed = make(map[cell]bool, len(with))
		}
		changed[at] = m.Value != nil
	}
	return nil
}
