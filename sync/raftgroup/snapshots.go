package raftgroup

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// maxManifest bounds what a peer may stream as a snapshot.
const maxManifest = 64 << 10

// manifestVersion is the first byte of Manifest.Engine. Behind it, all as
// uvarints but the last: the engine's index, the index of the configuration,
// the length of the configuration, the configuration.
const manifestVersion = 1

// snapshotStore lends Snapshots to the engine: one manifest, no files.
type snapshotStore struct {
	snapshots Snapshots
	accept    func(m shardlog.Manifest, index uint64) error // a leader's: until the machine holds what it promises
	covered   func(index, term uint64)                      // told of the engine's index of a saved one
	fail      func(error)
}

func (s snapshotStore) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration,
	configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return &sink{store: s, meta: raft.SnapshotMeta{
		Version: version, ID: snapshotID(index, term), Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	}}, nil
}

func (s snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	meta, _, ok, err := s.load()
	if err != nil || !ok {
		return nil, err
	}
	return []*raft.SnapshotMeta{meta}, nil
}

func (s snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, data, ok, err := s.load()
	if err != nil {
		return nil, nil, err
	}
	if !ok || meta.ID != id {
		return nil, nil, shardlog.Errorf(shardlog.NotFound, "open snapshot", "%s was replaced", id)
	}
	return meta, io.NopCloser(bytes.NewReader(data)), nil
}

func (s snapshotStore) load() (*raft.SnapshotMeta, []byte, bool, error) {
	m, ok, err := s.snapshots.LoadManifest()
	if err != nil || !ok {
		return nil, nil, false, err
	}
	meta, err := decodeMeta(m)
	if err != nil {
		return nil, nil, false, err
	}
	data := content(m.Applied)
	meta.Size = int64(len(data))
	return meta, data, true, nil
}

// sink receives a snapshot, this gateway's own or a leader's.
type sink struct {
	store  snapshotStore
	meta   raft.SnapshotMeta
	data   []byte
	own    bool // not a leader's
	closed sync.Once
	err    error
}

func (s *sink) ID() string { return s.meta.ID }

func (s *sink) Write(b []byte) (int, error) {
	if len(s.data)+len(b) > maxManifest {
		return 0, shardlog.Errorf(shardlog.Invalid, "write snapshot", "more than %d bytes", maxManifest)
	}
	s.data = append(s.data, b...)
	return len(b), nil
}

// Close saves the manifest, unless it promises what the machine does not hold.
func (s *sink) Close() error {
	s.closed.Do(func() { s.err = s.save() })
	return s.err
}

func (s *sink) Cancel() error {
	s.closed.Do(func() {})
	return nil
}

func (s *sink) save() error {
	applied, err := parseContent(s.data)
	if err != nil {
		return err
	}
	m := shardlog.Manifest{Applied: applied, Term: s.meta.Term, Engine: encodeMeta(s.meta)}
	if !s.own {
		if err := s.store.accept(m, s.meta.Index); err != nil {
			return err
		}
	}
	if err := s.store.snapshots.SaveManifest(m); err != nil {
		err = fmt.Errorf("save manifest: %w", err)
		s.store.fail(err)
		return err
	}
	s.store.covered(s.meta.Index, s.meta.Term)
	return nil
}

func snapshotID(index, term uint64) string { return fmt.Sprintf("%d-%d", term, index) }

func encodeMeta(m raft.SnapshotMeta) []byte {
	configuration := raft.EncodeConfiguration(m.Configuration)
	b := []byte{manifestVersion}
	b = binary.AppendUvarint(b, m.Index)
	b = binary.AppendUvarint(b, m.ConfigurationIndex)
	b = binary.AppendUvarint(b, uint64(len(configuration)))
	return append(b, configuration...)
}

func decodeMeta(m shardlog.Manifest) (*raft.SnapshotMeta, error) {
	bad := shardlog.Errorf(shardlog.Corrupt, "read manifest", "%d bytes of engine state", len(m.Engine))
	if len(m.Engine) == 0 || m.Engine[0] != manifestVersion {
		return nil, bad
	}
	rest := m.Engine[1:]
	var numbers [3]uint64
	for i := range numbers {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return nil, bad
		}
		numbers[i], rest = v, rest[n:]
	}
	if numbers[2] != uint64(len(rest)) {
		return nil, bad
	}
	configuration, err := decodeConfiguration(rest)
	if err != nil {
		return nil, bad
	}
	return &raft.SnapshotMeta{
		Version: raft.SnapshotVersionMax, ID: snapshotID(numbers[0], m.Term), Index: numbers[0], Term: m.Term,
		Configuration: configuration, ConfigurationIndex: numbers[1],
	}, nil
}

// decodeConfiguration wraps the engine's decoder, which panics on what it cannot read.
func decodeConfiguration(b []byte) (c raft.Configuration, err error) {
	defer func() {
		if recover() != nil {
			err = shardlog.Errorf(shardlog.Corrupt, "read members", "%d bytes", len(b))
		}
	}()
	return raft.DecodeConfiguration(b), nil
}
