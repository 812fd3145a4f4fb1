package streams

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"headgate/shardlog"
)

// Budget is how much of the disk the log may take.
type Budget struct {
	Bytes       uint64 // of the data folder; zero: 80 % of the volume
	BucketBytes uint64 // when a bucket is full; zero: 16 MiB, and at most 4 % of Bytes
	Reserve     uint64 // what must stay free on the volume; zero: 2 %, at least 64 MiB, at most a tenth
}

const (
	usualBucket = 16 << 20
	leastBucket = 256 << 10
	fullRetry   = 5 * time.Second // what refused writers are told to wait
)

func (b Budget) bucketBytes() uint64 {
	size := b.BucketBytes
	if size == 0 {
		size = usualBucket
	}
	if b.Bytes > 0 {
		size = min(size, b.Bytes/25)
	}
	return max(size, leastBucket)
}

// bucket is where a command stamped then goes.
func (b Budget) bucket(t shardlog.Tail, at time.Time) uint32 {
	switch {
	case t.Bucket == 0:
		return 1
	case t.BucketBytes >= b.bucketBytes() || at.Sub(t.BucketSince) >= bucketAge:
		return t.Bucket + 1
	}
	return t.Bucket
}

const bucketAge = time.Hour

// Marks is where the disk stands.
type Marks struct {
	Used  uint64
	Soft  uint64 // above it the oldest buckets go early
	Hard  uint64 // above it writers are refused
	Tight bool   // the volume itself is short of room
	Full  bool   // and more than that: writers are refused

	short uint64 // what the volume lacks
}

// Marks weighs what is used against the budget. Figures that are zero are not
// known and bind nothing.
func (b Budget) Marks(u shardlog.Usage) Marks {
	m := Marks{Used: u.Stored, Hard: b.Bytes}
	if m.Hard == 0 {
		m.Hard = u.Volume / 5 * 4
	}
	m.Soft = m.Hard / 10 * 9
	if u.Volume == 0 {
		return m
	}
	reserve := b.Reserve
	if reserve == 0 {
		reserve = min(max(u.Volume/50, 64<<20), u.Volume/10)
	}
	m.Tight, m.Full = u.Free < 2*reserve, u.Free < reserve
	if m.Tight {
		m.short = 2*reserve - u.Free
	}
	return m
}

// Why says why writers are refused, nil when they are not.
func (m Marks) Why() error {
	switch {
	case m.Full:
		return errors.New("the volume is short of room")
	case m.Hard > 0 && m.Used >= m.Hard:
		return fmt.Errorf("the disk budget of %d bytes is used up", m.Hard)
	}
	return nil
}

// excess is how many bytes must go for the log to be a little below its soft
// mark again.
func (m Marks) excess() uint64 {
	if m.Soft > 0 && m.Used > m.Soft {
		return max(m.short, m.Used-m.Soft+m.Hard/50)
	}
	return m.short
}

// freeing is what has been given up and still lies on the disk: a deleted
// bucket is free only when its files are.
type freeing struct {
	owed uint64
	used uint64    // when the disk was weighed last
	at   time.Time // when something was given up last
}

// freeingTime is how long what was given up may take to be free. After that
// it is believed to be, and what is used counts as it is.
const freeingTime = 2 * time.Minute

// weighed takes note of what is used now, and answers how much of the excess
// is not on its way already.
func (f *freeing) weighed(used, excess uint64, now time.Time) uint64 {
	if used < f.used {
		f.owed -= min(f.owed, f.used-used)
	}
	f.used = used
	if now.Sub(f.at) >= freeingTime {
		f.owed = 0
	}
	return excess - min(excess, f.owed)
}

func (f *freeing) gaveUp(bytes uint64, now time.Time) {
	f.owed += bytes
	f.at = now
}

// givenUp is the order in which classes make room.
var givenUp = [...]shardlog.Class{shardlog.Video, shardlog.Telemetry, shardlog.Own}

// victims are the trims that give up at least excess bytes: whole buckets,
// oldest first, class by class. The bucket being filled stays. freed is what
// they give up.
func victims(extents []shardlog.Extent, filling uint32, excess uint64) (trims []shardlog.Trim, freed uint64) {
	through := map[shardlog.StreamID]uint32{}
	for _, class := range givenUp {
		mine := slices.DeleteFunc(slices.Clone(extents), func(e shardlog.Extent) bool { return e.Class != class || e.Bucket >= filling })
		slices.SortFunc(mine, func(a, b shardlog.Extent) int { return cmp.Compare(a.Bucket, b.Bucket) })
		for i, e := range mine {
			if freed >= excess && (i == 0 || mine[i-1].Bucket != e.Bucket) {
				break
			}
			freed += e.Bytes
			through[e.Stream] = e.Bucket
		}
	}
	for id, bucket := range through {
		trims = append(trims, shardlog.Trim{Stream: id, Through: bucket, Reason: shardlog.OverBudget})
	}
	slices.SortFunc(trims, func(a, b shardlog.Trim) int { return cmp.Compare(a.Stream, b.Stream) })
	return trims, freed
}
