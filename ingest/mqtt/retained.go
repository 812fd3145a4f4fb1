package mqtt

import (
	"context"
	"iter"
	"time"

	"headgate/shardlog"
)

// Retained is the message that whoever subscribes to its topic is sent first.
type Retained struct {
	Topic   string
	Payload []byte
	Meta    Meta
	At      time.Time // when it came, to the second
}

// Retain is the mutation that makes a message the retained one of its topic,
// or with an empty payload removes that; it belongs into the Put of the
// message's record. Kind LimitExceeded: there are too many, or it is too large.
func (s *Server) Retain(topic string, payload, meta []byte) (shardlog.Mutation, error) {
	m := s.retain(topic, payload, meta, s.now())
	if m == nil {
		return shardlog.Mutation{}, shardlog.Errorf(shardlog.LimitExceeded, "retain message", "%d topics may have a retained message, of %d bytes at most", maxRetained, maxRetainedAt)
	}
	return *m, nil
}

// RetainedOf is the retained message of a topic. Kinds as of shardlog.States.
func RetainedOf(ctx context.Context, states shardlog.States, topic string) (Retained, error) {
	b, _, err := states.Get(ctx, retainedSpace, topic)
	if err != nil {
		return Retained{}, err
	}
	return retainedOf(topic, b)
}

// AllRetained yields the retained messages by topic. What cannot be read is
// passed over.
func AllRetained(ctx context.Context, states shardlog.States) iter.Seq[Retained] {
	return func(yield func(Retained) bool) {
		for topic, b := range states.List(ctx, retainedSpace, "") {
			if m, err := retainedOf(topic, b); err == nil && !yield(m) {
				return
			}
		}
	}
}

func retainedOf(topic string, b []byte) (Retained, error) {
	r, err := decodeRetained(b)
	if err != nil {
		return Retained{}, err
	}
	return Retained{Topic: topic, Payload: r.payload, Meta: r.meta, At: r.arrived}, nil
}
