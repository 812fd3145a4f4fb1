package delivery_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// objectFor delivers one record that arrived in a bubble's first instant,
// 2000-01-01T00:00:00Z, a Saturday, plus the given time.
func objectFor(t *testing.T, s delivery.Spec, after time.Duration) (name string) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(after)
		m := shardlogtest.NewMemory()
		fill(t, m, 1)
		sink := &shelf{}
		d, err := delivery.New(delivery.Config{Spec: s, Reader: m, Catalog: m, States: m, Sink: sink, Encoder: encode.New})
		if err != nil {
			t.Error(err)
			return
		}
		stop := launch(t, d)
		time.Sleep(time.Minute)
		stop()
		for name = range sink.objects {
		}
	})
	return name
}

func TestPrefixes(t *testing.T) {
	const afternoon = 37*24*time.Hour + 15*time.Hour + 4*time.Minute + 5*time.Second + 67*time.Millisecond // 2000-02-07, a Monday
	for _, c := range []struct{ prefix, want string }{
		{"", "2000/02/07/15/d-1-2000-02-07-15-04-05-"},
		{"raw/", "raw/2000/02/07/15/d-1-"},
		{"y=!{timestamp:yyyy}/m=!{timestamp:MM}/", "y=2000/m=02/d-1-"},
		{"!{timestamp:yy-M-d'T'H.m.s.SSS}/", "00-2-7T15.4.5.067/"},
		{"!{timestamp:EEE EEEE MMM MMMM DDD a h k K}/", "Mon Monday Feb February 038 PM 3 15 3/"},
		{"!{timestamp:uuuu''X xxx Z}/", "2000'Z +00:00 +0000/"},
	} {
		s := spec()
		s.Prefix = c.prefix
		if got := objectFor(t, s, afternoon); !strings.HasPrefix(got, c.want) {
			t.Errorf("prefix %q gives %s, want %s…", c.prefix, got, c.want)
		}
	}
}

func TestNamesEndInTheirFormat(t *testing.T) {
	for want, change := range map[string]func(*delivery.Spec){
		".gz":     func(s *delivery.Spec) {},
		".zst":    func(s *delivery.Spec) { s.Compression = encode.Zstd },
		".ndjson": func(s *delivery.Spec) { s.Extension = ".ndjson" },
	} {
		s := spec()
		change(&s)
		if got := objectFor(t, s, 0); !strings.HasSuffix(got, want) {
			t.Errorf("%s does not end in %s", got, want)
		}
	}
}

func TestBadPrefixesAreNamed(t *testing.T) {
	for prefix, why := range map[string]string{
		"!{timestamp:YYYY}/":             `"Y"`,
		"!{timestamp:ww}/":               `"w"`,
		"!{timestamp:MMMMM}/":            "MMMMM",
		"!{timestamp:}/":                 "no pattern",
		"!{timestamp:yyyy'open}/":        "closing quote",
		"!{firehose:nonsense}/":          "unknown",
		"!{firehose:error-output-type}/": "error_prefix only",
		"!{partitionKeyFromQuery:}/":     "NAME",
		"a/../../b/":                     "leaves",
		"/abs/":                          "empty folder",
		strings.Repeat("x", 600):         "512",
	} {
		s := spec()
		s.Prefix = prefix
		if err := s.Validate(); shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want something about %s", prefix, err, why)
		}
	}
}

// TestABacklogGoesIntoItsHours: what waited for days lies under the hours in
// which it arrived.
func TestABacklogGoesIntoItsHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		if err := m.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1, Retention: 1000 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		for range 48 {
			fill(t, m, 3)
			time.Sleep(time.Hour)
		}
		sink := &shelf{}
		_, stop := begin(t, m, sink)
		time.Sleep(10 * time.Minute)
		stop()
		hours := map[string]bool{}
		for object := range sink.objects {
			hours[object[:len("2000/01/01/00")]] = true
		}
		if _, n := sink.count(); n != 144 || len(hours) != 48 {
			t.Errorf("%d records under %d hours, want 144 under 48", n, len(hours))
		}
	})
}

// TestLatest: a new delivery may skip what is there; a new incarnation of its
// stream is delivered whole.
func TestLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		s := spec()
		s.Start = delivery.Latest
		sink := &shelf{}
		d, err := delivery.New(delivery.Config{Spec: s, Reader: m, Catalog: m, States: m, Sink: sink, Encoder: encode.New})
		if err != nil {
			t.Fatal(err)
		}
		stop := launch(t, d)
		defer stop()
		time.Sleep(time.Minute)
		fill(t, m, 7)
		time.Sleep(time.Minute)
		if _, n := sink.count(); n != 7 {
			t.Errorf("%d records delivered, want the 7 that came later", n)
		}
		if err := m.DeleteStream(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		fill(t, m, 20)
		time.Sleep(time.Minute)
		if _, n := sink.count(); n != 27 {
			t.Errorf("%d records delivered, want 27", n)
		}
	})
}

// TestAChangedSpecIsANewVersion, and what was sealed before goes out under the old one.
func TestAChangedSpecIsANewVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 1)
		down := &shelf{answer: func(*firehose.Batch) firehose.Result { return firehose.Result{Class: firehose.Transient} }}
		_, stop := begin(t, m, down)
		time.Sleep(time.Minute)
		stop()
		s := spec()
		s.Compression = encode.Zstd
		sink := &shelf{}
		d, err := delivery.New(delivery.Config{Spec: s, Reader: m, Catalog: m, States: m, Sink: sink, Encoder: encode.New})
		if err != nil {
			t.Fatal(err)
		}
		stop = launch(t, d)
		time.Sleep(5 * time.Minute)
		fill(t, m, 1)
		time.Sleep(5 * time.Minute)
		stop()
		var old, new int
		for object, b := range sink.batches {
			if b.Version == 1 && strings.HasSuffix(object, ".gz") && b.Retried {
				old++
			}
			if b.Version == 2 && strings.HasSuffix(object, ".zst") && !b.Retried {
				new++
			}
		}
		if old != 1 || new != 1 || len(sink.batches) != 2 {
			t.Errorf("%d old and %d new of %d", old, new, len(sink.batches))
		}
	})
}

func TestForgetUnpins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		sink := &shelf{}
		d, stop := begin(t, m, sink)
		time.Sleep(time.Minute)
		stop()
		if r := d.Probe(t.Context()); !r.Done() {
			t.Error(r.Err)
		}
		all, err := delivery.List(t.Context(), m)
		if err != nil || len(all) != 3 {
			t.Fatalf("%v %v", all, err)
		}
		var records uint64
		for _, p := range all {
			records += p.Totals.Records
		}
		if records != 50 || all[0].Delivery != "d" || all[0].Sealed != 0 {
			t.Errorf("positions %+v", all)
		}
		if err := delivery.Forget(t.Context(), m, "d"); err != nil {
			t.Fatal(err)
		}
		for key := range m.List(t.Context(), shardlog.Cursors, "") {
			t.Errorf("cursor %s is left", key)
		}
		for key := range m.List(t.Context(), delivery.Space, "") {
			t.Errorf("state %s is left", key)
		}
	})
}
