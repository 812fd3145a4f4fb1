package store

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

var errStop = errors.New("stop")

func isStop(err error) bool { return errors.Is(err, errStop) }

func indexOf(key []byte) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}

const localAside = "aside/"

// Aside is a block that could not be read. It stays where it is until its
// bucket goes, for people and peers to mend; readers pass over its records.
type Aside struct {
	Stream shardlog.StreamName
	Bucket uint32
	Index  uint64 // of its log entry
	Block  uint16 // among the blocks of that entry
	Why    string
	Key    BlockKey `json:"-"`          // zero: not a block
	Kept   []byte   `json:",omitempty"` // of a spool row, what could be read
}

// setAside notes a block that cannot be read, once, and says so in the log.
// Errors other than corruption (a closed store, a cancelled read) are
// returned.
func (s *Store) setAside(p place, stream shardlog.StreamName, cause error) error {
	if k := shardlog.KindOf(cause); k != shardlog.Corrupt && k != shardlog.NotFound && !pebble.IsCorruptionError(cause) {
		return cause
	}
	key := localAside + string(p.key())
	if _, err := s.Local(key); err == nil {
		return nil
	}
	s.log.Error("block set aside", "stream", stream, "bucket", p.bucket, "index", p.index, "block", p.ord, "error", cause.Error())
	return s.SetLocal(key, mustJSON(Aside{Stream: stream, Bucket: p.bucket, Index: p.index, Block: p.ord, Why: cause.Error()}))
}

// Asides lists the blocks that were set aside, with the keys by which peers
// know them, and what else an open or the spool had to give up.
func (s *Store) Asides() ([]Aside, error) {
	var all []Aside
	err := eachRow(s.db, localKey(localAside), func(key, value []byte) error {
		var a Aside
		if err := unmarshal(value, &a); err != nil {
			return err
		}
		if p, ok := parseBlockKey(key); ok {
			a.Key = keyOf(p)
		}
		all = append(all, a)
		return nil
	})
	return all, err
}

// Gaps lists what was given up, oldest first.
func (s *Store) Gaps(ctx context.Context) iter.Seq2[shardlog.Gap, error] {
	return func(yield func(shardlog.Gap, error) bool) {
		err := eachRow(s.db, stateKey(stateGap), func(_, value []byte) error {
			g, err := parseGap(value)
			if !yield(g, err) || ctx.Err() != nil {
				return errStop
			}
			return nil
		})
		if err != nil && !isStop(err) {
			yield(shardlog.Gap{}, err)
		}
	}
}
