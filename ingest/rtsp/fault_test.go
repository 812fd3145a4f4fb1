package rtsp_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/auth"
	"github.com/bluenviron/gortsplib/v5/pkg/base"

	"headgate/ingest/chunk"
	"headgate/ingest/track"
	"headgate/shardlog"
)

// start runs the camera until stop is called.
func (r *rig) start(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestCamerasWithFaults: what is wrong with a camera's times is not wrong with
// its footage.
func TestCamerasWithFaults(t *testing.T) {
	for _, one := range []struct {
		name     string
		fault    func(n int, f *fake)
		mute     bool
		stray    bool
		takes    int
		unsynced bool
		lost     int // pictures at most
	}{
		{name: "a clock of its own", takes: 1, fault: func(n int, f *fake) { f.wall = -77 * time.Hour }},
		{name: "no reports", takes: 1, mute: true, unsynced: true},
		{name: "reports of another sender", takes: 1, stray: true},
		{name: "a picture 9800 s away", takes: 1, lost: 1, fault: func(n int, f *fake) {
			if n == 130 {
				f.once = 9800 * time.Second
			}
		}},
		{name: "all times jump by 9800 s", takes: 2, lost: 30, fault: func(n int, f *fake) {
			if n == 130 {
				f.jump = 9800 * time.Second
			}
		}},
		{name: "all times jump back", takes: 2, lost: 30, mute: true, unsynced: true, fault: func(n int, f *fake) {
			if n == 0 {
				f.jump = 9800 * time.Second
			}
			if n == 165 {
				f.jump = 0
			}
		}},
		{name: "its clock is set", takes: 1, fault: func(n int, f *fake) {
			if n == 130 {
				f.wall = -3 * time.Second
			}
		}},
		{name: "two pictures of one stamp", takes: 1, fault: func(n int, f *fake) { f.twice = n%20 == 10 }},
		{name: "its numbers begin anew", takes: 1, lost: 80, fault: func(n int, f *fake) {
			if n == 130 {
				f.renew = 120
			}
		}},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, "127.0.0.1:0", &gortsplib.Server{})
			f.mute, f.stray = one.mute, one.stray
			f.fault = one.fault
			r := newRig(t, f.port())
			stop := r.start(t)
			long := 5 * time.Second
			until(t, "footage", func() bool {
				spans := r.spans(t)
				return len(spans) > 0 && time.Duration(spans[len(spans)-1].To-spans[0].From)*time.Millisecond > long
			})
			stop()
			spans, counts := r.spans(t), r.judge(t)
			t.Logf("%v %+v %+v", counts, spans, r.Stats())
			if len(spans) > one.takes+1 || len(spans) < 1 || one.takes == 1 && len(spans) != 1 || spans[0].Unsynced != one.unsynced {
				t.Errorf("%+v", spans)
			}
			if counts["h264"] < int(long.Milliseconds()/40)-one.lost-2 || counts["pcm_alaw"] < int(long.Milliseconds()/20)-40-2*one.lost {
				t.Errorf("%v", counts)
			}
			if off := time.Since(time.UnixMilli(spans[len(spans)-1].To)); off > 3*time.Second || off < -time.Second {
				t.Errorf("the end is %v away", off)
			}
		})
	}
}

// TestSoundThatGetsLost over UDP: one packet of 50 does not come. Those who
// listen do not wait for it, and the log waits no longer than the room's
// patience: gortsplib would hold the 63 that follow.
func TestSoundThatGetsLost(t *testing.T) {
	t.Parallel()
	f := newFake(t, "127.0.0.1:0", &gortsplib.Server{UDPRTPAddress: "any"})
	lost := 0
	f.fault = func(n int, f *fake) {
		if n%50 == 30 {
			f.skip = 1
			lost++
		}
	}
	r := newRig(t, f.port())
	r.UDP = true
	var last time.Time
	longest := time.Duration(0)
	r.Live = func(shardlog.StreamName, []track.Format) (func(int, track.Packet), func(), error) {
		return func(i int, _ track.Packet) {
			if i == 1 && !last.IsZero() {
				longest = max(longest, time.Since(last))
			}
			if i == 1 {
				last = time.Now()
			}
		}, func() {}, nil
	}
	r.fetch(t, 5*time.Second)
	counts := r.judge(t)
	t.Log(counts, lost, longest, r.Stats())
	if counts["h264"] < 123 || counts["pcm_alaw"] < 220 {
		t.Errorf("%v", counts)
	}
	if longest > 600*time.Millisecond {
		t.Errorf("no sound for %v", longest)
	}
	if n := r.Stats().Lost; n < 3 || n > uint64(lost) {
		t.Errorf("%d packets counted as lost of %d", n, lost)
	}
}

// TestACameraThatBeginsAtZero every time: it is killed and started again.
func TestACameraThatBeginsAtZero(t *testing.T) {
	t.Parallel()
	f := newFake(t, "127.0.0.1:0", &gortsplib.Server{})
	r := newRig(t, f.port())
	stop := r.start(t)
	whole := func(takes int) func() bool {
		return func() bool {
			spans := r.spans(t)
			return len(spans) == takes && spans[takes-1].To-spans[takes-1].From > 2000
		}
	}
	for i := range 2 {
		until(t, "take", whole(i+1))
		before := r.Stats().Tries
		f.close()
		until(t, "fault", func() bool { return r.Stats().Fault != "" && r.Stats().Tries > before })
		f = newFake(t, fmt.Sprintf("127.0.0.1:%d", f.port()), &gortsplib.Server{})
	}
	until(t, "third take", whole(3))
	stop()
	spans := r.spans(t)
	for i, s := range spans[1:] {
		if s.Why != chunk.Left || s.From <= spans[i].To || s.Unsynced {
			t.Errorf("%+v", spans)
		}
	}
	r.judge(t)
}

// TestDigestsAndTLS: SHA-256 is answered, a wrong password is not sent again and
// again in one try, and rtsps is played.
func TestDigestsAndTLS(t *testing.T) {
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	defer certificates.Close()
	for name, server := range map[string]*gortsplib.Server{
		"sha256": {AuthMethods: []auth.VerifyMethod{auth.VerifyMethodDigestSHA256}},
		"md5":    {AuthMethods: []auth.VerifyMethod{auth.VerifyMethodDigestMD5}},
		"rtsps":  {AuthMethods: []auth.VerifyMethod{auth.VerifyMethodDigestSHA256}, TLSConfig: &tls.Config{Certificates: certificates.TLS.Certificates}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, "127.0.0.1:0", server)
			f.user = "viewer"
			r := newRig(t, f.port())
			if server.TLSConfig != nil {
				r.URL = strings.Replace(r.URL, "rtsp://", "rtsps://", 1)
			}
			r.Username, r.Password = "viewer", func() (string, error) { return fakePassword, nil }
			r.fetch(t, time.Second)
		})
	}
}

// TestCamerasThatLead elsewhere: with credentials nobody goes there, and media
// are not asked for from where no camera may be.
func TestCamerasThatLead(t *testing.T) {
	t.Parallel()
	f := newFake(t, "127.0.0.1:0", &gortsplib.Server{UDPRTPAddress: "any"})
	f.answers = func(r *base.Response) {
		if r.Header["Public"] == nil && len(r.Body) > 0 {
			*r = base.Response{StatusCode: base.StatusFound, Header: base.Header{"CSeq": r.Header["CSeq"], "Location": base.HeaderValue{"rtsp://localhost:1/live"}}}
		}
	}
	r := newRig(t, f.port())
	r.Username = "viewer"
	stop := r.start(t)
	until(t, "fault", func() bool { return strings.Contains(r.Stats().Fault, "credentials must not go") })
	stop()

	g := newFake(t, "127.0.0.1:0", &gortsplib.Server{UDPRTPAddress: "any"})
	g.answers = func(r *base.Response) {
		if h := r.Header["Transport"]; len(h) == 1 {
			r.Header["Transport"] = base.HeaderValue{h[0] + ";source=169.254.169.254"}
		}
	}
	r = newRig(t, g.port())
	r.UDP = true
	stop = r.start(t)
	until(t, "fault", func() bool { return strings.Contains(r.Stats().Fault, "169.254.169.254 is no camera's address") })
	stop()

	r = newRig(t, g.port())
	r.Allowed = func(ip netip.Addr) bool { return ip != netip.MustParseAddr("127.0.0.1") }
	stop = r.start(t)
	until(t, "fault", func() bool { return strings.Contains(r.Stats().Fault, "127.0.0.1 is not allowed") })
	stop()
}

// TestLivePackets go to those who watch as they come, one function for all
// tracks, and end says when no more will.
func TestLivePackets(t *testing.T) {
	t.Parallel()
	f := newFake(t, "127.0.0.1:0", &gortsplib.Server{})
	r := newRig(t, f.port())
	var formats []track.Format
	var ended bool
	counts := map[int]int{}
	r.Live = func(_ shardlog.StreamName, all []track.Format) (func(int, track.Packet), func(), error) {
		formats = all
		return func(i int, p track.Packet) { counts[i]++ }, func() { ended = true }, nil
	}
	r.fetch(t, time.Second)
	if len(formats) != 2 || counts[0] < 25 || counts[1] < 40 || !ended {
		t.Errorf("%+v, %v, %v", formats, counts, ended)
	}
}
