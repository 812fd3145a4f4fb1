package streams_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/store"
	"headgate/shardlog/streams"
)

// hands is a clock that a test moves: the time of day and the uptime.
type hands struct {
	mu   sync.Mutex
	wall time.Time
	up   time.Duration
}

func (h *hands) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wall, h.up = h.wall.Add(d), h.up+d
}

func (h *hands) clock() *streams.Clock {
	return &streams.Clock{
		Wall:   func() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.wall },
		Uptime: func() time.Duration { h.mu.Lock(); defer h.mu.Unlock(); return h.up },
		Synced: func() bool { return true },
	}
}

var noon = time.Date(2027, 1, 2, 12, 0, 0, 0, time.UTC)

// retain runs the duty until the test ends.
func retain(t *testing.T, s *site) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Retain(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

// look lets the duty look at retention now.
func look(t *testing.T, s *site, name shardlog.StreamName) {
	t.Helper()
	if err := s.SetRetention(t.Context(), name, shardlog.DefaultRetention); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func create(t *testing.T, s *site, spec shardlog.StreamSpec) shardlog.Stream {
	t.Helper()
	if err := s.CreateStream(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	st, ok := s.Stream(spec.Name)
	if !ok {
		t.Fatal("not in the catalog")
	}
	return st
}

func store1(t *testing.T, s *site, name shardlog.StreamName, size int) {
	t.Helper()
	results, err := s.Put(t.Context(), name, []shardlog.Entry{{Key: "k", Data: noise(size, size)}})
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
}

func oldest(s *site, name shardlog.StreamName) shardlog.Seq {
	st, _ := s.Stream(name)
	return st.Shards[0].Oldest
}

func TestRetention(t *testing.T) {
	h := &hands{wall: noon}
	s := openSite(t, func(c *streams.Config) { c.Clock = h.clock() })
	st := create(t, s, shardlog.StreamSpec{Name: "s", Shards: 1})
	cursor := shardlog.Mutation{Space: shardlog.Cursors, Key: shardlog.CursorKey(st.Shards[0].ID, "delivery"),
		Value: shardlog.EncodeCursor(shardlog.Cursor{Next: 2, Pinned: true})}
	if err := s.Mutate(t.Context(), cursor); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		store1(t, s, "s", 100)
	}
	retain(t, s)
	h.pass(23 * time.Hour)
	store1(t, s, "s", 100)
	look(t, s, "s")
	h.pass(2 * time.Hour)
	look(t, s, "s")
	eventually(t, "readers do not see what is past its time", func() bool { return oldest(s, "s") == 4 })
	if n := len(s.Extents(st.ID)); n != 2 {
		t.Fatalf("%d buckets: the pin holds the first", n)
	}
	cursor.Value = shardlog.EncodeCursor(shardlog.Cursor{Next: 4, Pinned: true})
	if err := s.Mutate(t.Context(), cursor); err != nil {
		t.Fatal(err)
	}
	look(t, s, "s")
	eventually(t, "the first bucket goes", func() bool { return len(s.Extents(st.ID)) == 1 })
	if err := s.Mutate(t.Context(), shardlog.Mutation{Space: cursor.Space, Key: cursor.Key}); err != nil {
		t.Fatal(err)
	}
	h.pass(25 * time.Hour)
	look(t, s, "s")
	eventually(t, "readers see nothing", func() bool { return oldest(s, "s") == 5 })
	store1(t, s, "s", 100)
	look(t, s, "s")
	eventually(t, "the bucket goes when another is begun", func() bool {
		extents := s.Extents(st.ID)
		return len(extents) == 1 && extents[0].Ends[0].End == 6
	})
	for g := range s.Gaps(t.Context()) {
		t.Errorf("gap %+v", g)
	}
}

// crammed is a store whose disk is as full as the test says.
type crammed struct {
	*store.Store
	mu    sync.Mutex
	usage shardlog.Usage
}

func (c *crammed) Usage() (shardlog.Usage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.usage, nil
}

func (c *crammed) use(stored uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.usage.Stored = stored
}

func TestBudget(t *testing.T) {
	disk := &crammed{}
	s := openSite(t, func(c *streams.Config) {
		disk.Store = c.Ground.(*store.Store)
		c.Ground, c.Budget = disk, streams.Budget{Bytes: 10 << 20}
	})
	video := create(t, s, shardlog.StreamSpec{Name: "video", Shards: 1, Class: shardlog.Video})
	telemetry := create(t, s, shardlog.StreamSpec{Name: "telemetry", Shards: 1})
	for range 2 {
		store1(t, s, "telemetry", 300<<10)
		store1(t, s, "video", 500<<10)
	}
	store1(t, s, "telemetry", 100)
	stop := retain(t, s)

	disk.use(10<<20 - 1<<19) // half a megabyte over the soft mark, and a little
	look(t, s, "video")
	eventually(t, "video goes first", func() bool { return len(s.Extents(video.ID)) == 0 })
	if n := len(s.Extents(telemetry.ID)); n < 2 {
		t.Errorf("%d buckets of telemetry are left", n)
	}
	disk.use(8 << 20)
	look(t, s, "video")
	eventually(t, "the gap is copied", func() bool { return len(copied(t, s)) > 0 })
	gaps := 0
	for g := range s.Gaps(t.Context()) {
		gaps++
		if g.Stream != "video" || g.Reason != shardlog.OverBudget || g.Records == 0 {
			t.Errorf("gap %+v", g)
		}
	}
	stop()
	stop = retain(t, s) // another leader copies nothing twice
	store1(t, s, "telemetry", 100)
	look(t, s, "video")
	eventually(t, "the duty looks", func() bool { return s.Log.Stats().Marks.Used == 8<<20 })
	stop()
	if got := copied(t, s); len(got) != gaps || got[0]["stream"] != "video" || got[0]["shardId"] != "shardId-000000000000" {
		t.Errorf("%d gaps, copied %v", gaps, got)
	}
}

// copied is what the stream _gaps holds.
func copied(t *testing.T, s *site) (all []map[string]any) {
	t.Helper()
	st, ok := s.Stream(streams.GapStream)
	if !ok {
		return nil
	}
	page, err := s.Read(t.Context(), st.Shards[0].ID, shardlog.Cursor{}, shardlog.Budget{Records: 1000, Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		var g map[string]any
		if err := json.Unmarshal(r.Data, &g); err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	return all
}

func TestAFullDiskRefusesWriters(t *testing.T) {
	disk := &crammed{usage: shardlog.Usage{Stored: 11 << 20}}
	s := openSite(t, func(c *streams.Config) {
		disk.Store = c.Ground.(*store.Store)
		c.Ground, c.Budget = disk, streams.Budget{Bytes: 10 << 20}
	})
	create(t, s, shardlog.StreamSpec{Name: "s", Shards: 1})
	retain(t, s)
	var refused error
	eventually(t, "writers are refused", func() bool {
		_, refused = s.Put(t.Context(), "s", entries("k"))
		return refused != nil
	})
	if kindOf(refused) != "full" || shardlog.RetryAfter(refused) < time.Second {
		t.Errorf("refused with %v", refused)
	}
	if err := s.Mutate(t.Context(), mutation("x")); err != nil {
		t.Errorf("mutate: %v", err)
	}
	if st := s.Log.Stats(); st.Full == "" || st.Refused == 0 {
		t.Errorf("stats %+v", st)
	}
	disk.use(1 << 20)
	look(t, s, "s")
	eventually(t, "writers are let in", func() bool {
		_, err := s.Put(t.Context(), "s", entries("k"))
		return err == nil
	})
}

// A clock that woke up in the wrong year expires nothing, also not after the
// next start, when the log's own stamps agree with it.
func TestAWrongClockExpiresNothing(t *testing.T) {
	dir, h := t.TempDir(), &hands{wall: noon}
	open := func() (*site, func()) {
		return openSiteAt(t, dir, func(c *streams.Config) { c.Clock = h.clock() })
	}
	s, shut := open()
	create(t, s, shardlog.StreamSpec{Name: "s", Shards: 1})
	store1(t, s, "s", 100)
	shut()

	h.wall, h.up = h.wall.AddDate(1, 0, 0), 0
	for start := range 3 {
		s, shut = open()
		stop := retain(t, s)
		store1(t, s, "s", 100)
		h.pass(23 * time.Hour)
		look(t, s, "s")
		look(t, s, "s") // the first has been looked at when the second is taken
		stop()
		if s.Clock().MayTrim() || oldest(s, "s") != 1 {
			t.Fatalf("start %d: may trim %v, oldest %d", start, s.Clock().MayTrim(), oldest(s, "s"))
		}
		shut()
		h.up = 0
	}

	s, shut = open()
	defer shut()
	retain(t, s)
	store1(t, s, "s", 100)
	h.pass(time.Hour)
	s.Clock().Trust()
	look(t, s, "s")
	eventually(t, "an operator's word", func() bool { return oldest(s, "s") > 1 })
	if _, _, err := s.Get(t.Context(), "clock", "hold"); kindOf(err) != "not found" {
		t.Errorf("the note is still there: %v", err)
	}
}

func TestControl(t *testing.T) {
	s := openSite(t, nil)
	tests := []struct {
		do   func() error
		want string
	}{
		{func() error { return s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s"}) }, "ok"},
		{func() error { return s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s"}) }, "in use"},
		{func() error { return s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "a b"}) }, "invalid"},
		{func() error { return s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "t", Shards: -1}) }, "invalid"},
		{func() error { return s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "t", Shards: 10001}) }, "invalid"},
		{func() error {
			return s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "t", Retention: time.Hour})
		}, "invalid"},
		{func() error { return s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "t", Class: 9}) }, "invalid"},
		{func() error { return s.SetRetention(t.Context(), "s", shardlog.MaxRetention+1) }, "invalid"},
		{func() error { return s.SetRetention(t.Context(), "none", shardlog.MaxRetention) }, "not found"},
		{func() error { return s.SetRetention(t.Context(), "s", shardlog.MaxRetention) }, "ok"},
		{func() error { return s.DeleteStream(t.Context(), "none") }, "not found"},
	}
	for i, test := range tests {
		if err := test.do(); kindOf(err) != test.want {
			t.Errorf("case %d: %v, want %s", i, err, test.want)
		}
	}
	st, _ := s.Stream("s")
	if len(st.Shards) != shardlog.DefaultShards || st.Retention != shardlog.MaxRetention || st.Class != shardlog.Telemetry {
		t.Errorf("%+v", st)
	}
	if err := s.DeleteStream(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Stream("s"); ok {
		t.Error("it is still there")
	}
	for _, c := range []streams.Config{{}, {Proposer: s.proposer, Catalog: s, States: s, Ground: s.Store, Limits: quota.Limits{BytesIn: -1}}} {
		if _, err := streams.New(c); kindOf(err) != "invalid" {
			t.Errorf("New: %v", err)
		}
	}
}
