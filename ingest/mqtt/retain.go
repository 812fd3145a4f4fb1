package mqtt

import (
	"context"
	"encoding/binary"
	"strings"
	"sync"
	"time"

	"headgate/shardlog"
)

// retention knows which topics have a retained message, so that their number is
// bounded. The messages themselves lie in replicated state, and change in the
// same command as the record that they are.
type retention struct {
	mu     sync.Mutex
	topics map[string]struct{} // guarded by mu
}

// retain is the mutation that makes a message the retained one of its topic,
// or removes that; nil when there are too many, or it is too large.
func (s *Server) retain(topic string, payload, meta []byte, at time.Time) *shardlog.Mutation {
	r := &s.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	topic = strings.Clone(topic)
	m := &shardlog.Mutation{Space: retainedSpace, Key: topic}
	if len(payload) == 0 {
		delete(r.topics, topic)
		return m
	}
	if _, known := r.topics[topic]; !known && len(r.topics) >= maxRetained || len(payload) > maxRetainedAt {
		s.stats.refuse("retained")
		return nil
	}
	r.topics[topic] = struct{}{}
	m.Value = encodeRetained(payload, meta, at)
	return m
}

// learn reads which topics there are: other gateways retain messages, too.
func (s *Server) learn(ctx context.Context) {
	topics := map[string]struct{}{}
	for topic := range s.cfg.States.List(ctx, retainedSpace, "") {
		topics[topic] = struct{}{}
	}
	s.retained.mu.Lock()
	defer s.retained.mu.Unlock()
	s.retained.topics = topics
}

// count is how many there are.
func (r *retention) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.topics)
}

// encodeRetained is a retained message as FORMAT.md has it.
func encodeRetained(payload, meta []byte, at time.Time) []byte {
	b := binary.AppendUvarint([]byte{1}, uint64(at.Unix()))
	b = binary.AppendUvarint(b, uint64(len(meta)))
	return append(append(b, meta...), payload...)
}

// decodeRetained reads one. The payload is part of b. Kind Corrupt.
func decodeRetained(b []byte) (*record, error) {
	corrupt := func(what string) (*record, error) {
		return nil, shardlog.Errorf(shardlog.Corrupt, "read retained message", "%s", what)
	}
	if len(b) == 0 || b[0] != 1 {
		return corrupt("version")
	}
	second, n := binary.Uvarint(b[1:])
	if n <= 0 || second > 1<<40 {
		return corrupt("time")
	}
	meta, payload, ok := cutBytes(b[1+n:])
	if !ok {
		return corrupt("length")
	}
	m, err := DecodeMeta(meta)
	if err != nil {
		return nil, err
	}
	return &record{payload: payload, meta: m, arrived: time.Unix(int64(second), 0)}, nil
}
