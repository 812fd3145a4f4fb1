package webrtc_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/ingest/webrtc"
	"headgate/shardlog"
)

func TestWhenMissingPacketsAreAskedFor(t *testing.T) {
	var n webrtc.Nacks
	at := time.Unix(0, 0)
	var asked []time.Duration
	for ms := range 700 {
		now := at.Add(time.Duration(ms) * time.Millisecond)
		if len(n.Due([]uint16{7}, now)) > 0 {
			asked = append(asked, now.Sub(at))
		}
	}
	want := []time.Duration{10, 70, 130, 190, 250}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked at %v, want %v", asked, want)
	}
	if due := n.Due(nil, at); due != nil || len(n.Due([]uint16{7}, at)) != 0 {
		t.Error("a packet that came is remembered")
	}
}

func TestAnswersAreTidied(t *testing.T) {
	const answer = "v=0\r\nm=audio 9 X 0\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=rtcp-mux\r\na=candidate:1 1 udp 5 127.0.0.1 1 typ host\r\na=candidate:1 2 udp 5 127.0.0.1 1 typ host\r\na=end-of-candidates\r\nm=video 9 X 1\r\na=mid:1\r\na=candidate:1 1 udp 5 127.0.0.1 1 typ host\r\n"
	tidy := webrtc.TidyAnswer(answer)
	if strings.Contains(tidy, " 2 udp ") || strings.Count(tidy, "a=rtcp-mux-only\r\n") != 1 {
		t.Errorf("%s", tidy)
	}
	const want = "m=audio 9 X 0\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=candidate:1 1 udp 5 127.0.0.1 1 typ host\r\na=end-of-candidates\r\n"
	if got := webrtc.FragmentOf(tidy); got != want {
		t.Errorf("%q", got)
	}
}

func TestManyMissingPackets(t *testing.T) {
	var n webrtc.Nacks
	at := time.Unix(0, 0)
	for i, step := range []struct {
		ms      int
		missing []uint16
		due     []uint16
	}{
		{0, []uint16{65535, 0}, nil},
		{9, []uint16{65535, 0, 1}, nil},
		{10, []uint16{65535, 0, 1}, []uint16{65535, 0}},
		{19, []uint16{65535, 1}, []uint16{1}},        // 0 came
		{70, []uint16{65535, 0, 1}, []uint16{65535}}, // 0 is missing anew
		{80, []uint16{0, 1}, []uint16{0, 1}},
	} {
		if due := n.Due(step.missing, at.Add(time.Duration(step.ms)*time.Millisecond)); !slices.Equal(due, step.due) {
			t.Errorf("step %d: %v, want %v", i, due, step.due)
		}
	}
}

// TestNumbersForViewers: a change of the source and a probe that is left out
// are no holes, and what comes late gets the number that was kept for it.
func TestNumbersForViewers(t *testing.T) {
	var o webrtc.Outlet
	at := time.Unix(100, 0)
	for i, step := range []struct {
		source string
		seq    uint16
		stamp  uint32
		probe  bool
		ms     int
		want   int // number, -1: not sent on
		time   uint32
	}{
		{"a", 65533, 1000, false, 0, 65533, 1000},
		{"a", 65534, 4000, false, 33, 65534, 4000},
		{"a", 65535, 4000, true, 33, -1, 0},         // a probe
		{"a", 1, 7000, false, 66, 0, 7000},          // 0 is missing
		{"a", 2, 7000, true, 66, -1, 0},             // another one
		{"a", 3, 10000, false, 100, 1, 10000},       //
		{"a", 0, 7000, false, 110, 65535, 7000},     // behind one probe, before the other
		{"a", 65534, 4000, false, 111, 65534, 4000}, // again, before both
		{"a", 5, 13000, false, 133, 3, 13000},       // 4 is missing
		{"a", 4, 13000, true, 140, 2, 13000},        // and was a probe: its number is used
		{"a", 6, 13000, true, 140, -1, 0},           // the last of this source
		{"b", 500, 77, false, 1133, 4, 103001},      // a second behind
		{"b", 501, 3077, false, 1166, 5, 106001},
		{"b", 502, 3077, true, 1170, -1, 0},
		{"c", 9, 5, true, 1170, -1, 0}, // begins with a probe
		{"c", 10, 3005, false, 1266, 6, 109362},
	} {
		seq, stamp, forward := o.Number(step.source, step.seq, step.stamp, step.probe, at.Add(time.Duration(step.ms)*time.Millisecond))
		switch {
		case forward != (step.want >= 0):
			t.Errorf("step %d: sent on: %v", i, forward)
		case forward && (int(seq) != step.want || stamp != step.time):
			t.Errorf("step %d: number %d at %d, want %d at %d", i, seq, stamp, step.want, step.time)
		}
	}
}

// TestNumbersGoOn: whatever is lost on the way in, comes twice or late, viewers
// see each packet once under a number of its own, and no holes but those.
func TestNumbersGoOn(t *testing.T) {
	var o webrtc.Outlet
	random := rand.New(rand.NewPCG(1, 2))
	at := time.Unix(0, 0)
	seen := map[int64]int64{} // by viewers' number
	var kept []int64          // those that come late
	send := func(n int64, probe bool) {
		seq, _, forward := o.Number("a", uint16(n), uint32(n), probe, at)
		if !forward {
			return
		}
		long := n + int64(int16(seq-uint16(n)))
		if before, twice := seen[long]; twice && before != n {
			t.Fatalf("%d and %d have number %d", before, n, long)
		}
		seen[long] = n
	}
	probes := map[int64]bool{}
	for n := int64(60000); n < 260000; n++ {
		probes[n] = random.Float64() < 0.02
		if random.Float64() < 0.03 {
			kept = append(kept, n)
			continue
		}
		send(n, probes[n])
		for len(kept) > 0 && n-kept[0] > 100 {
			send(kept[0], probes[kept[0]])
			kept = kept[1:]
		}
	}
	last := int64(0)
	for n := range seen {
		last = max(last, n)
	}
	for n := int64(60000); n < last-200; n++ {
		if _, ok := seen[n]; !ok {
			t.Fatalf("nothing has number %d of %d", n, last)
		}
	}
}

func TestRates(t *testing.T) {
	at := time.Unix(0, 0)
	take := webrtc.Rates(2, 3)
	for i, step := range []struct {
		address string
		ms      int
		want    bool
	}{
		{"10.0.0.1:5", 0, true}, {"10.0.0.1:6", 0, true}, {"10.0.0.1:7", 0, true}, {"10.0.0.1:8", 0, false},
		{"10.0.0.2:5", 0, true}, {"[fd00::1]:5", 0, true}, {"a name", 0, true},
		{"10.0.0.1:8", 499, false}, {"10.0.0.1:8", 500, true}, {"10.0.0.1:8", 500, false},
		{"10.0.0.1:8", 100_000, true}, {"10.0.0.1:8", 100_000, true}, {"10.0.0.1:8", 100_000, true}, {"10.0.0.1:8", 100_000, false},
	} {
		if got := take(step.address, at.Add(time.Duration(step.ms)*time.Millisecond)); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	if never := webrtc.Rates(0, 0); never("x", at) {
		t.Error("the zero rate allows something")
	}
	always := webrtc.Rates(-1, 0)
	for range 1000 {
		if !always("x", at) {
			t.Fatal("a negative rate allows everything")
		}
	}
	many := webrtc.Rates(1, 1)
	for i := range 20_000 { // addresses are forgotten rather than heaped up
		_ = many(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), at)
	}
}

func TestReplayOf(t *testing.T) {
	for query, want := range map[string]struct {
		from  int64
		speed float64
		ok    bool
	}{
		"":                                    {0, 1, true},
		"speed=2":                             {0, 2, true},
		"start=1764244800000":                 {1764244800000, 1, true},
		"start=1764244800000&speed=0.25":      {1764244800000, 0.25, true},
		"start=2025-11-27T12:00:00Z":          {1764244800000, 1, true},
		"start=2025-11-27T13:00:00.5%2B01:00": {1764244800500, 1, true},
		"start=2025-11-27":                    {},
		"start=-5":                            {},
		"start=0":                             {},
		"start=1764244800.5":                  {},
		"start=99999999999999999999":          {},
		"start=1960-01-01T00:00:00Z":          {},
		"speed=0.2":                           {},
		"speed=8.1":                           {},
		"speed=-1":                            {},
		"speed=NaN":                           {},
		"speed=Inf":                           {},
		"speed=fast":                          {},
	} {
		from, speed, err := webrtc.ReplayOf(query)
		if want.ok != (err == nil) || want.ok && (from != want.from || speed != want.speed) {
			t.Errorf("%s: %d %v %v", query, from, speed, err)
		}
		if err != nil && shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%s: kind %v", query, shardlog.KindOf(err))
		}
	}
}

func TestOffersForARestart(t *testing.T) {
	const offer = "v=0\r\na=ice-ufrag:old\r\na=ice-pwd:older\r\nm=audio 9 X 0\r\na=candidate:1 1 udp 5 127.0.0.1 1 typ host\r\na=end-of-candidates\r\na=mid:0\r\nm=video 9 X 1\r\na=ice-ufrag:old\r\na=ice-pwd:older\r\n"
	const want = "v=0\r\na=ice-ufrag:new\r\na=ice-pwd:newer\r\nm=audio 9 X 0\r\na=mid:0\r\nm=video 9 X 1\r\na=ice-ufrag:new\r\na=ice-pwd:newer\r\n"
	if got := webrtc.RestartOffer(offer, "new", "newer"); got != want {
		t.Errorf("%q", got)
	}
}
