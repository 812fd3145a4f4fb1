package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// Scrubbing says how Scrub goes about it. The zero value suits a small board.
type Scrubbing struct {
	Rate  int           // bytes a second, zero: 1 MiB
	Pause time.Duration // from the end of one round to the next, zero: a week
	Found func(Damage)  // told of everything that is bad or missing, each round; nil: nobody
}

// Damage is something that Scrub found: a block that cannot be read, or, with
// a zero Block, an extent that lacks blocks.
type Damage struct {
	Stream shardlog.StreamName
	Extent ExtentKey
	Block  BlockKey
	Why    string
}

// Scrub reads all blocks over and over, slowly, and sets bad ones aside before
// somebody needs them; it forgets those that turn out to be good. Where it is
// survives a restart, to an extent. It returns only with ctx or an error.
func (s *Store) Scrub(ctx context.Context, o Scrubbing) error {
	at, err := s.loadScrub()
	if err != nil {
		return err
	}
	sc := scrubbing{s: s, o: o, pace: newPace(orDefault(o.Rate, 1<<20))}
	pause := time.Duration(orDefault(int64(o.Pause), int64(7*24*time.Hour)))
	for {
		if at.Next == nil && !at.Done.IsZero() {
			if err := wait(ctx, min(pause, at.Done.Add(pause).Sub(s.now()))); err != nil {
				return err
			}
		}
		if err := sc.round(ctx, at.Next); err != nil {
			return err
		}
		if err := s.forgetAsides(); err != nil {
			return err
		}
		at = scrubRow{Done: s.now()}
		if err := s.saveScrub(at); err != nil {
			return err
		}
	}
}

// Inspect is one round of Scrub at full speed.
func (s *Store) Inspect(ctx context.Context) error {
	sc := scrubbing{s: s, pace: newPace(0)}
	if err := sc.round(ctx, nil); err != nil {
		return err
	}
	return s.forgetAsides()
}

// scrubRow is where the scrubbing stands.
type scrubRow struct {
	Next []byte    `json:",omitempty"` // prefix of the extent to go on at; nil: between rounds
	Done time.Time // end of the round before
}

const localScrub = "scrub"

// saveScrub does not wait for the disk: to look at an extent again is harmless.
func (s *Store) saveScrub(row scrubRow) error {
	return s.must(s.db.Set(localKey(localScrub), mustJSON(row), pebble.NoSync))
}

func (s *Store) loadScrub() (row scrubRow, err error) {
	value, err := s.Local(localScrub)
	if err == nil {
		if json.Unmarshal(value, &row) != nil {
			row = scrubRow{}
		}
		return row, nil
	}
	if shardlog.KindOf(err) == shardlog.NotFound {
		err = nil
	}
	return row, err
}

type scrubbing struct {
	s    *Store
	o    Scrubbing
	pace *pace
}

// round looks at every extent from a prefix on.
func (sc *scrubbing) round(ctx context.Context, from []byte) error {
	for _, k := range sc.s.extentKeys() {
		if bytes.Compare(k.prefix(), from) < 0 {
			continue
		}
		if err := sc.s.saveScrub(scrubRow{Next: k.prefix()}); err != nil {
			return err
		}
		if err := sc.extent(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// extentKeys are all extents, in the order of their blocks.
func (s *Store) extentKeys() []ExtentKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []ExtentKey
	for _, st := range s.state.byID {
		for _, e := range st.extents {
			all = append(all, e.name())
		}
	}
	slices.SortFunc(all, func(a, b ExtentKey) int { return bytes.Compare(a.prefix(), b.prefix()) })
	return all
}

func (sc *scrubbing) extent(ctx context.Context, k ExtentKey) error {
	var err error
	for lower := k.prefix(); lower != nil && err == nil; {
		lower, err = sc.walk(ctx, k, lower)
	}
	if err != nil {
		return err
	}
	whole, h, err := sc.s.noteHole(k)
	if err == nil && !whole {
		sc.found(Damage{Extent: k, Why: fmt.Sprintf("%d bytes of %d are here", h.Have, h.Want)})
	}
	return err
}

func (sc *scrubbing) found(d Damage) {
	st, _ := sc.s.StreamByID(d.Extent.Stream)
	if d.Stream = st.Name; sc.o.Found != nil {
		sc.o.Found(d)
	}
}

// walk checks blocks up to one that cannot be read, which ends Pebble's
// iterator; it answers the key to go on at, nil at the end.
func (sc *scrubbing) walk(ctx context.Context, k ExtentKey, lower []byte) ([]byte, error) {
	it, err := sc.s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: k.from(sc.s.Applied() + 1)})
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Internal, "scrub", "%w", err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		p, valid := parseBlockKey(it.Key())
		if !valid {
			continue
		}
		behind := append(bytes.Clone(it.Key()), 0)
		value, err := it.ValueAndErr()
		if err != nil {
			return behind, sc.bad(p, err)
		}
		if err := sc.check(p, value); err != nil {
			return nil, err
		}
		if err := sc.pace.spend(ctx, len(value)); err != nil {
			return nil, err
		}
	}
	if err := it.Error(); err != nil {
		first, _ := parseBlockKey(append(bytes.Clone(lower), make([]byte, max(blockKeySize-len(lower), 0))...)[:blockKeySize])
		return nil, sc.bad(first, err)
	}
	return nil, nil
}

// check holds a block against its checksum. One that was set aside must also
// decompress, and is then good again.
func (sc *scrubbing) check(p place, sealed []byte) error {
	if err := checkBlock(keyOf(p), sealed); err != nil {
		return sc.bad(p, err)
	}
	if _, err := sc.s.value(asideKey(p)); err != nil {
		return nil
	}
	if _, err := block.Open(sealed); err != nil {
		return sc.bad(p, err)
	}
	return sc.s.must(sc.s.db.Delete(asideKey(p), pebble.Sync))
}

func (sc *scrubbing) bad(p place, why error) error {
	st, _ := sc.s.StreamByID(p.stream)
	if !sc.s.wants(p) {
		return nil // given up while it was read
	}
	if err := sc.s.setAside(p, st.Name, why); err != nil {
		return err
	}
	sc.found(Damage{Extent: keyOf(p).Extent(), Block: keyOf(p), Why: why.Error()})
	return nil
}

func (s *Store) wants(p place) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.state.has(keyOf(p).Extent())
}
