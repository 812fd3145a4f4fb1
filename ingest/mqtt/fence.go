package mqtt

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"headgate/shardlog"
)

// fence is what stands before what a gateway believes of a session that may
// have gone on elsewhere.
type fence struct {
	states  shardlog.States
	gateway uint64
	down    atomic.Bool // there was no quorum for longer than an election takes
}

// pass returns when what this gateway knows of the replicated state includes
// all that was agreed on before. It waits for an election to end: the gateway
// that died may have told the device what is not known here yet. Once there was
// no quorum for longer, it does not wait until there was one. Kind Unavailable:
// it cannot be known now.
func (f *fence) pass(ctx context.Context) error {
	for began := time.Now(); ; {
		err := barrier(ctx, f.states, f.gateway)
		if err == nil {
			f.down.Store(false)
			return nil
		}
		if time.Since(began) > electionMost {
			f.down.Store(true)
		}
		if ctx.Err() != nil || f.down.Load() {
			return err
		}
		select {
		case <-time.After(firstRetry):
		case <-ctx.Done():
			return err
		}
	}
}

// electionMost is more than an election takes, and less than a device waits for
// CONNACK.
const electionMost = 3 * time.Second

// barrier returns when what this gateway knows of the replicated state includes
// all that was agreed on before. Kind Unavailable: it cannot be known now.
func barrier(ctx context.Context, states shardlog.States, gateway uint64) error {
	return states.Mutate(ctx, shardlog.Mutation{Space: barriers, Key: fmt.Sprintf("%016x", gateway), Value: []byte{1}})
}

// barriers is the space of the one row of each gateway that says nothing.
const barriers shardlog.Space = "mqtt.barrier"
