package streams

import (
	"fmt"
	"testing"
	"time"

	"headgate/shardlog"
)

// extent is a bucket whose records came between from and to hours before noon.
func extent(bucket uint32, class shardlog.Class, stream shardlog.StreamID, from, to int, ends ...shardlog.Seq) shardlog.Extent {
	e := shardlog.Extent{Bucket: bucket, Stream: stream, Class: class, Bytes: 100,
		Oldest: noon.Add(-time.Duration(from) * time.Hour), Newest: noon.Add(-time.Duration(to) * time.Hour)}
	for i, end := range ends {
		if end > 0 {
			e.Ends = append(e.Ends, shardlog.ShardEnd{Shard: uint32(i), End: end})
		}
	}
	return e
}

func TestExpired(t *testing.T) {
	tel := shardlog.Telemetry
	log := []shardlog.Extent{extent(1, tel, 1, 50, 49, 10, 5), extent(3, tel, 1, 48, 30, 20), extent(4, tel, 1, 29, 20, 30, 9), extent(5, tel, 1, 19, 0, 40, 12)}
	tests := map[string]struct {
		extents []shardlog.Extent
		hours   int // of retention
		pins    map[uint32]shardlog.Seq
		want    uint32
	}{
		"nothing is that old":       {log, 51, nil, 0},
		"a bucket is only partly":   {log, 24, nil, 3},
		"exactly as old":            {log, 49, nil, 0},
		"all is":                    {log, 0, nil, 4},
		"a pin at the beginning":    {log, 24, map[uint32]shardlog.Seq{0: 1}, 0},
		"a pin on the last record":  {log, 24, map[uint32]shardlog.Seq{0: 9}, 0},
		"a pin behind the bucket":   {log, 24, map[uint32]shardlog.Seq{0: 10}, 1},
		"a pin of another shard":    {log, 24, map[uint32]shardlog.Seq{1: 5}, 3},
		"the least of several pins": {log, 24, map[uint32]shardlog.Seq{0: 20, 1: 4}, 0},
		"a pin at the tip":          {log, 24, map[uint32]shardlog.Seq{0: 40, 1: 12}, 3},
		"no records":                {nil, 24, nil, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			horizon := noon.Add(-time.Duration(test.hours) * time.Hour)
			if got := expired(test.extents, 5, horizon, test.pins); got != test.want {
				t.Errorf("through %d, want %d", got, test.want)
			}
		})
	}
}

func TestHides(t *testing.T) {
	pinned := []shardlog.Extent{extent(1, 1, 1, 50, 49), extent(2, 1, 1, 30, 29)}
	hours := func(n int) time.Time { return noon.Add(-time.Duration(n) * time.Hour) }
	tests := map[string]struct {
		from, to time.Time
		want     bool
	}{
		"never moved, nothing old": {time.Time{}, hours(51), false},
		"never moved":              {time.Time{}, hours(40), true},
		"between the buckets":      {hours(48), hours(31), false},
		"into a bucket":            {hours(48), hours(29), true},
		"behind all":               {hours(28), hours(1), false},
	}
	for name, test := range tests {
		if got := hides(pinned, test.from, test.to); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestVictims(t *testing.T) {
	extents := []shardlog.Extent{
		extent(1, shardlog.Telemetry, 1, 9, 8), extent(2, shardlog.Telemetry, 1, 7, 6), extent(9, shardlog.Telemetry, 1, 1, 0),
		extent(1, shardlog.Telemetry, 2, 9, 8), extent(3, shardlog.Video, 3, 7, 6), extent(5, shardlog.Video, 3, 5, 4), extent(1, shardlog.Own, 4, 9, 8),
	}
	tests := map[uint64]string{
		1:    "3:3 freed 100",
		150:  "3:5 freed 200",
		201:  "1:1 2:1 3:5 freed 400", // a bucket goes as a whole
		401:  "1:2 2:1 3:5 freed 500",
		501:  "1:2 2:1 3:5 4:1 freed 600",
		9999: "1:2 2:1 3:5 4:1 freed 600", // the bucket being filled stays
	}
	for excess, want := range tests {
		trims, freed := victims(extents, 9, excess)
		got := ""
		for _, t := range trims {
			got += fmt.Sprintf("%d:%d ", t.Stream, t.Through)
		}
		if got += fmt.Sprintf("freed %d", freed); got != want {
			t.Errorf("excess of %d: %s, want %s", excess, got, want)
		}
	}
}

func TestMarks(t *testing.T) {
	const gb = 1 << 30
	tests := map[string]struct {
		budget Budget
		usage  shardlog.Usage
		excess uint64
		full   bool
	}{
		"nothing is known":        {Budget{}, shardlog.Usage{Stored: gb}, 0, false},
		"room":                    {Budget{Bytes: 10 * gb}, shardlog.Usage{Stored: gb, Free: 50 * gb, Volume: 100 * gb}, 0, false},
		"soft mark":               {Budget{Bytes: 1000}, shardlog.Usage{Stored: 950}, 70, false},
		"hard mark":               {Budget{Bytes: 1000}, shardlog.Usage{Stored: 1000}, 120, true},
		"no budget: of volume":    {Budget{}, shardlog.Usage{Stored: 80 * gb, Free: 20 * gb, Volume: 100 * gb}, 80*gb - uint64(100*gb)/5*4/10*9 + uint64(100*gb)/5*4/50, true},
		"the volume gets tight":   {Budget{Bytes: 90 * gb, Reserve: gb}, shardlog.Usage{Stored: gb, Free: 3 * gb / 2, Volume: 100 * gb}, gb / 2, false},
		"the volume is short":     {Budget{Bytes: 90 * gb, Reserve: gb}, shardlog.Usage{Stored: gb, Free: gb - 1, Volume: 100 * gb}, gb + 1, true},
		"a volume of a few bytes": {Budget{}, shardlog.Usage{Stored: 10, Free: 90, Volume: 100}, 0, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := test.budget.Marks(test.usage)
			if got := m.excess(); got != test.excess || (m.Why() != nil) != test.full {
				t.Errorf("excess %d, refuses: %v, want %d, %v", got, m.Why(), test.excess, test.full)
			}
		})
	}
}

func TestFreeing(t *testing.T) {
	var f freeing
	steps := []struct {
		after        time.Duration
		used, excess uint64
		want         uint64
		gives        uint64
	}{
		{0, 1000, 100, 100, 120},
		{2 * time.Second, 1000, 100, 0, 0},   // on its way
		{4 * time.Second, 1050, 150, 30, 40}, // more came meanwhile
		{6 * time.Second, 950, 50, 0, 0},     // 100 of 160 are free
		{8 * time.Second, 950, 70, 10, 0},
		{3 * time.Minute, 990, 90, 90, 0}, // what is not free by now will not be
	}
	for i, st := range steps {
		now := noon.Add(st.after)
		if got := f.weighed(st.used, st.excess, now); got != st.want {
			t.Fatalf("step %d: %d must go, want %d", i, got, st.want)
		}
		if st.gives > 0 {
			f.gaveUp(st.gives, now)
		}
	}
}

func TestBuckets(t *testing.T) {
	tail := shardlog.Tail{Bucket: 7, BucketSince: noon, BucketBytes: 1000}
	tests := map[string]struct {
		budget Budget
		bytes  uint64
		after  time.Duration
		want   uint32
	}{
		"young and small":  {Budget{}, 16<<20 - 1, time.Hour - 1, 7},
		"full":             {Budget{}, 16 << 20, 0, 8},
		"old":              {Budget{}, 1, time.Hour, 8},
		"a small budget":   {Budget{Bytes: 100 << 20}, 4<<20 - 1, 0, 7},
		"a part of it":     {Budget{Bytes: 100 << 20}, 4 << 20, 0, 8},
		"not all too tiny": {Budget{Bytes: 1 << 20}, 256<<10 - 1, 0, 7},
	}
	for name, test := range tests {
		tail.BucketBytes = test.bytes
		if got := test.budget.bucket(tail, noon.Add(test.after)); got != test.want {
			t.Errorf("%s: bucket %d, want %d", name, got, test.want)
		}
	}
	if got := (Budget{}).bucket(shardlog.Tail{}, noon); got != 1 {
		t.Errorf("the first bucket is %d", got)
	}
}
