package raftgroup

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"headgate/shardlog"
)

// stableStore lends Locals to the engine for its term and its vote.
type stableStore struct {
	locals Locals
	fail   func(error)
}

const stablePrefix = "raft/"

// Set writes only what is new, so that a start without an election syncs nothing.
func (s stableStore) Set(key, value []byte) error {
	if old, err := s.Get(key); err == nil && old != nil && bytes.Equal(old, value) {
		return nil
	}
	if err := s.locals.SetLocal(stablePrefix+string(key), value); err != nil {
		err = fmt.Errorf("save %s: %w", key, err)
		s.fail(err)
		return err
	}
	return nil
}

// Get answers nil for a key that has no value.
func (s stableStore) Get(key []byte) ([]byte, error) {
	value, err := s.locals.Local(stablePrefix + string(key))
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return nil, nil
	}
	return value, err
}

func (s stableStore) SetUint64(key []byte, value uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 answers zero for a key that has no value.
func (s stableStore) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	if err != nil || value == nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, shardlog.Errorf(shardlog.Corrupt, "read "+string(key), "%d bytes", len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}
