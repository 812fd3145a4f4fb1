package store

import (
	"encoding/json"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

// Install brings a store that is behind to a moment of a peer. Blocks come
// first, each at its place, where nobody reads it before the state says so;
// what came stays, so that an install that was broken off goes on. Then the
// peer's state is staged under a prefix of its own, and Finish switches.
// An Install is used by one goroutine, and nothing may be applied or
// journalled meanwhile.
type Install struct {
	s      *Store
	bucket uint32 // of the store's tail when it began
	batch  *pebble.Batch
}

// installBatch is how many bytes are written at a time.
const installBatch = 1 << 20

// Block is a block with its name.
type Block struct {
	Key   BlockKey
	Bytes []byte // sealed
}

// Install begins or goes on. Kind Invalid: the journal holds entries that
// have not been applied; whoever pulls drops them first, so that every block
// that is here is one that was agreed on.
func (s *Store) Install() (*Install, error) {
	t := s.Tail()
	if last := s.Journal().Last(); last > t.Applied {
		return nil, shardlog.Errorf(shardlog.Invalid, "install", "journal entry %d is not applied, %d is", last, t.Applied)
	}
	return &Install{s: s, bucket: t.Bucket, batch: s.db.NewBatch()}, nil
}

// Close lets go of what was not written yet.
func (i *Install) Close() error { return i.batch.Close() }

// Missing are those of the keys, in their order, whose blocks are not here.
func (i *Install) Missing(keys []BlockKey) ([]BlockKey, error) {
	var missing []BlockKey
	h, err := i.s.holdings()
	if err != nil {
		return nil, err
	}
	defer h.close()
	for _, k := range keys {
		have, err := h.have(k, -1)
		if err != nil {
			return nil, err
		}
		if !have {
			missing = append(missing, k)
		}
	}
	return missing, nil
}

// holdings looks for blocks; ascending keys are cheap.
type holdings struct{ it *pebble.Iterator }

func (s *Store) holdings() (holdings, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixBlock}, UpperBound: []byte{prefixBlock + 1}})
	if err != nil {
		return holdings{}, shardlog.Errorf(shardlog.Internal, "look for blocks", "%w", err)
	}
	return holdings{it}, nil
}

// have reports whether a block of that size, -1 for any, is here.
func (h holdings) have(k BlockKey, size int) (bool, error) {
	if !h.it.SeekGE(k.place().key()) {
		if err := h.it.Error(); err != nil {
			return false, shardlog.Errorf(shardlog.Corrupt, "look for blocks", "%w", err)
		}
		return false, nil
	}
	value := h.it.LazyValue()
	p, _ := parseBlockKey(h.it.Key())
	return keyOf(p) == k && (size < 0 || value.Len() == size), nil
}

func (h holdings) close() error { return h.it.Close() }

// PutBlocks takes blocks in. They are on the disk after Finish; until then a
// crash may cost the last ones. Kind Corrupt: one is not what its key says.
func (i *Install) PutBlocks(blocks ...Block) error {
	for _, b := range blocks {
		if err := checkBlock(b.Key, b.Bytes); err != nil {
			return err
		}
		if err := i.set(b.Key.place().key(), b.Bytes); err != nil {
			return err
		}
	}
	return nil
}

func (i *Install) set(key, value []byte) error {
	if err := i.batch.Set(key, value, nil); err != nil {
		return err
	}
	if i.batch.Len() < installBatch {
		return nil
	}
	return i.write(pebble.NoSync)
}

func (i *Install) write(o *pebble.WriteOptions) error {
	if err := i.s.must(i.batch.Commit(o)); err != nil {
		return err
	}
	err := i.batch.Close()
	i.batch = i.s.db.NewBatch()
	return err
}

// Stage forgets what was staged before; the peer's rows follow by StageRow.
func (i *Install) Stage() error {
	return i.batch.DeleteRange([]byte{prefixPulled}, []byte{prefixPulled + 1}, nil)
}

// StageRow stages a row of the peer's state, its key without prefix.
func (i *Install) StageRow(key, value []byte) error {
	return i.set(append([]byte{prefixPulled}, key...), value)
}

const localSwitch = "pull/switch"

// Finish makes the staged state this store's, in one go whenever the power is
// cut, and everything with it durable: the switch is first written down, with
// a sync, and then done; a start does it over when it finds it written down.
// Extents whose blocks did not all come are noted as holes. Readers go on and
// are woken. Kinds: Expired, the store has applied as much already; Invalid,
// the staged state is not of that index or the journal has gone on.
func (i *Install) Finish(applied uint64) error {
	if err := i.ready(applied); err != nil {
		return err
	}
	if err := i.write(pebble.NoSync); err != nil {
		return err
	}
	staged, err := i.s.staged()
	if err != nil {
		return err
	}
	if staged.applied != applied {
		return shardlog.Errorf(shardlog.Invalid, "install", "the state is of %d, not of %d", staged.applied, applied)
	}
	if err := i.noteHoles(staged); err != nil {
		return err
	}
	if err := i.write(pebble.NoSync); err != nil {
		return err
	}
	return i.s.switchState(staged)
}

func (i *Install) ready(applied uint64) error {
	if at := i.s.Applied(); at >= applied {
		return shardlog.Errorf(shardlog.Expired, "install", "%d is applied, %d is offered", at, applied)
	}
	if last := i.s.Journal().Last(); last > i.s.Applied() {
		return shardlog.Errorf(shardlog.Invalid, "install", "the journal has gone on to %d", last)
	}
	return nil
}

// staged loads the state that was staged, as a start would. Kind Corrupt.
func (s *Store) staged() (*state, error) {
	st := &state{}
	if err := st.load(stagedRows{s.db}); err != nil {
		return nil, shardlog.Errorf(shardlog.Corrupt, "install", "the staged state cannot be loaded: %w", err)
	}
	return st, nil
}

// stagedRows shows the staged rows under the prefix of the state.
type stagedRows struct{ *pebble.DB }

func (r stagedRows) NewIter(o *pebble.IterOptions) (*pebble.Iterator, error) {
	staged := *o
	staged.LowerBound = stagedBound(o.LowerBound)
	staged.UpperBound = stagedBound(o.UpperBound)
	return r.DB.NewIter(&staged)
}

func stagedBound(b []byte) []byte {
	return append([]byte{b[0] - prefixState + prefixPulled}, b[1:]...)
}

// noteHoles notes the extents of the staged state, from the bucket on where
// the install began, that hold less here than they should.
func (i *Install) noteHoles(staged *state) error {
	for _, st := range staged.byID {
		for _, e := range st.extents {
			if e.Bucket < i.bucket {
				continue
			}
			have, err := i.s.held(e.name(), staged.applied)
			if err != nil {
				return err
			}
			if have == e.Bytes {
				continue
			}
			if err := i.batch.Set(holeKey(e.name()), mustJSON(hole{e.Bytes, have}), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// held adds up what the extent's blocks up to an index hold here.
func (s *Store) held(e ExtentKey, applied uint64) (uint64, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: e.prefix(), UpperBound: e.from(applied + 1)})
	if err != nil {
		return 0, shardlog.Errorf(shardlog.Internal, "weigh extent", "%w", err)
	}
	defer it.Close()
	return sumBytes(it)
}

// switchRow says that the staged state is whole and to be taken.
type switchRow struct{ Applied uint64 }

// switchState takes the staged state, on the disk and in memory.
func (s *Store) switchState(staged *state) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.applied >= staged.applied {
		return shardlog.Errorf(shardlog.Expired, "install", "%d is applied, %d is offered", s.state.applied, staged.applied)
	}
	if err := s.flushState(nil); err != nil {
		return err
	}
	if err := s.must(s.db.Set(localKey(localSwitch), mustJSON(switchRow{staged.applied}), pebble.Sync)); err != nil {
		return err
	}
	if err := s.doSwitch(); err != nil {
		s.die(err) // half of each state is on the disk: a start does it over
	}
	s.state = *staged
	s.seen.clear()
	s.heads.mu.Lock()
	s.heads.first, s.heads.last = 0, 0
	s.heads.mu.Unlock()
	s.wakes.all()
	return nil
}

// doSwitch takes the staged state if that is written down. It may be done
// over from any point at which it was broken off.
func (s *Store) doSwitch() error {
	value, err := s.Local(localSwitch)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			err = nil
		}
		return err
	}
	var row switchRow
	if err := json.Unmarshal(value, &row); err != nil {
		return shardlog.Errorf(shardlog.Corrupt, "install", "%w", err)
	}
	i := &Install{s: s, batch: s.db.NewBatch()}
	defer func() { i.batch.Close() }()
	if err := i.batch.DeleteRange([]byte{prefixState}, []byte{prefixState + 1}, nil); err != nil {
		return err
	}
	err = eachRow(s.db, []byte{prefixPulled}, func(key, value []byte) error {
		return i.set(append([]byte{prefixState}, key...), value)
	})
	if err != nil {
		return err
	}
	if err := i.dropStrangers(); err != nil {
		return err
	}
	if err := i.restartJournal(row.Applied); err != nil {
		return err
	}
	return i.write(pebble.Sync)
}

// dropStrangers deletes the blocks of extents that the staged state does not
// know: the peer gave them up.
func (i *Install) dropStrangers() error {
	staged, err := i.s.staged()
	if err != nil {
		return err
	}
	h, err := i.s.holdings()
	if err != nil {
		return err
	}
	defer h.close()
	for ok := h.it.First(); ok; {
		p, _ := parseBlockKey(h.it.Key())
		e := keyOf(p).Extent()
		behind := after(e.prefix())
		if !staged.has(e) {
			if err := i.batch.DeleteRange(e.prefix(), behind, nil); err != nil {
				return err
			}
		}
		ok = h.it.SeekGE(behind)
	}
	return h.it.Error()
}

// restartJournal empties the journal, which now begins behind applied, and
// ends the switch.
func (i *Install) restartJournal(applied uint64) error {
	first := numberValue(applied + 1)
	for _, do := range []func() error{
		func() error { return i.batch.DeleteRange(journalKey(0), journalKey(applied+1), nil) },
		func() error { return i.batch.Set(localKey(localFirst), first, nil) },
		func() error { return i.batch.DeleteRange([]byte{prefixPulled}, []byte{prefixPulled + 1}, nil) },
		func() error { return i.batch.Delete(localKey(localSwitch), nil) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}
