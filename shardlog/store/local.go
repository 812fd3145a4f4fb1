package store

import (
	"encoding/json"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

const localManifest = "manifest"

// SetLocal keeps a value of this box alone and returns when it is on the disk.
func (s *Store) SetLocal(key string, value []byte) error {
	return s.must(s.db.Set(localKey(key), value, pebble.Sync))
}

// Local reads a value of this box. Kind NotFound.
func (s *Store) Local(key string) ([]byte, error) { return s.value(localKey(key)) }

// SaveManifest keeps a snapshot's description. When it returns, everything
// applied so far is on the disk, in one synced write.
func (s *Store) SaveManifest(m shardlog.Manifest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushState(func(b *pebble.Batch) error {
		return b.Set(localKey(localManifest), mustJSON(m), nil)
	})
}

// LoadManifest reads the last snapshot's description; false when there is none.
func (s *Store) LoadManifest() (shardlog.Manifest, bool, error) {
	var m shardlog.Manifest
	b, err := s.Local(localManifest)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			err = nil
		}
		return m, false, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, false, shardlog.Errorf(shardlog.Corrupt, "load manifest", "%w", err)
	}
	return m, true, nil
}
