package peer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/sync/peer"
)

func TestThreeCallEachOther(t *testing.T) {
	_, all := three(t)
	var calls sync.WaitGroup
	for _, from := range all {
		for _, to := range all {
			if from == to {
				continue
			}
			for range 20 {
				calls.Go(func() {
					answer, err := from.Call(within(t, 10*time.Second), to.id, "POST", "/v1/x", []byte("body"))
					if want := from.id + " POST /v1/x"; err != nil || string(answer) != want {
						t.Errorf("%s to %s: %q, %v", from.id, to.id, answer, err)
					}
				})
			}
		}
	}
	calls.Wait()
	for _, h := range all {
		if s := h.Stats(); s.Open > 16 {
			t.Errorf("%s has %d connections open: %+v", h.id, s.Open, s)
		}
	}
}

func TestErrorsCrossWithTheirKind(t *testing.T) {
	shard := &shardlog.ShardID{Number: 3}
	shard.Stream = 9
	faults := map[string]error{
		"/throttled": fmt.Errorf("outer: %w", &shardlog.Error{Kind: shardlog.Throttled, Op: "put", Stream: "s", Shard: shard, RetryAfter: 3 * time.Second, Err: errors.New("slowly")}),
		"/foreign":   errors.New("disk on fire"),
		"/context":   context.DeadlineExceeded,
		"/moved":     shardlog.Errorf(shardlog.Moved, "put", "it closed"),
		"/long":      errors.New(strings.Repeat("\x01ä", 9000)),
	}
	_, all := three(t, func(c *peer.Config) {
		c.Handler = peer.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error { return faults[r.URL.Path] })
	})
	for path, kind := range map[string]shardlog.Kind{
		"/throttled": shardlog.Throttled, "/foreign": shardlog.Internal, "/context": shardlog.Unknown, "/moved": shardlog.Moved, "/long": shardlog.Internal,
	} {
		_, err := all[0].Call(within(t, 10*time.Second), "g1", "GET", path, nil)
		if err == nil || shardlog.KindOf(err) != kind {
			t.Errorf("%s: %v", path, err)
		}
		if path == "/throttled" {
			var e *shardlog.Error
			if !errors.As(err, &e) || e.Stream != "s" || e.Shard == nil || *e.Shard != *shard || shardlog.RetryAfter(err) != 3*time.Second {
				t.Errorf("came as %+v", e)
			}
			if want := "gateway g1: " + faults[path].Error(); err.Error() != want {
				t.Errorf("reads %q, not %q", err, want)
			}
		}
	}
}

// FuzzError reads what another gateway may say instead of an answer.
func FuzzError(f *testing.F) {
	f.Add([]byte(`{"kind":"throttled","message":"m","op":"put","shard":{"Stream":1,"Number":2},"retryAfter":5}`))
	f.Add([]byte(`{"kind":"of another release","retryAfter":-1}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		err := peer.DecodeError(text)
		if err == nil || shardlog.RetryAfter(err) < 0 {
			t.Errorf("%v", err)
		}
		_ = err.Error()
		_ = shardlog.KindOf(err)
	})
}

func TestAnswersThatBreakOff(t *testing.T) {
	_, all := three(t, func(c *peer.Config) {
		c.MaxBody = 1 << 20
		c.Handler = peer.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			_, _ = w.Write(bytes.Repeat([]byte("x"), 3<<20))
			if r.URL.Path == "/broken" {
				return errors.New("no more")
			}
			return nil
		})
	})
	for path, whole := range map[string]bool{"/whole": true, "/broken": false} {
		s, err := all[0].Open(within(t, 10*time.Second), "g1", "GET", path, nil)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, s)
		if whole && (err != nil || n != 3<<20) || !whole && shardlog.KindOf(err) != shardlog.Unknown {
			t.Errorf("%s: %d bytes, %v", path, n, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := all[0].Call(within(t, 10*time.Second), "g1", "GET", "/whole", nil); shardlog.KindOf(err) != shardlog.Unknown {
		t.Errorf("an answer that is too long: %v", err)
	}
}

func TestCallsAreBoundedAndHellosGoOn(t *testing.T) {
	leave := make(chan struct{})
	_, all := three(t, func(c *peer.Config) {
		c.Handler = peer.HandlerFunc(func(http.ResponseWriter, *http.Request) error { <-leave; return nil })
	})
	var calls sync.WaitGroup
	var refused atomic.Int32
	for range 1000 {
		calls.Go(func() {
			_, err := all[0].Call(within(t, time.Minute), "g1", "POST", "/", nil)
			if err == nil {
				return
			}
			if shardlog.KindOf(err) != shardlog.Unavailable || shardlog.RetryAfter(err) == 0 {
				t.Error(err)
			}
			refused.Add(1)
		})
	}
	eventually(t, func() bool { return refused.Load() >= 100 })
	began := time.Now()
	eventually(t, func() bool { return all[0].peer("g1").Contact.After(began) })
	if !all[0].peer("g1").Reachable {
		t.Error("shown as unreachable")
	}
	close(leave)
	calls.Wait()
	if n := refused.Load(); n > 110 { // hellos take places too
		t.Errorf("%d refused", n)
	}
}

func TestCallsThatAreTooLong(t *testing.T) {
	_, all := three(t, func(c *peer.Config) {
		c.MaxBody = 1 << 10
		c.Handler = peer.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return &shardlog.Error{Kind: shardlog.Invalid, Op: "read call", Err: err}
			}
			return nil
		})
	})
	if _, err := all[0].Call(within(t, 10*time.Second), "g1", "POST", "/", make([]byte, 1<<20)); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("a long body: %v", err)
	}
	if _, err := all[0].Call(within(t, 10*time.Second), "g1", "POST", "/"+strings.Repeat("x", 64<<10), nil); err == nil {
		t.Error("a long path was taken")
	}
	if _, err := all[0].Call(within(t, 10*time.Second), "g1", "POST", "/", nil); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestWhatIsKnownOfACallThatFailed(t *testing.T) {
	arrived, leave := make(chan struct{}, 1), make(chan struct{})
	defer close(leave)
	town, all := three(t, func(c *peer.Config) {
		c.Handler = peer.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			arrived <- struct{}{}
			select {
			case <-leave:
			case <-r.Context().Done():
			}
			return nil
		})
	})
	failed := make(chan error)
	go func() {
		_, err := all[0].Call(context.Background(), "g1", "POST", "/", nil)
		failed <- err
	}()
	<-arrived
	all[1].Cut(true)
	if err := <-failed; shardlog.KindOf(err) != shardlog.Unknown {
		t.Errorf("cut in the middle: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, err := all[0].Call(ctx, "g2", "POST", "/", nil)
		failed <- err
	}()
	<-arrived
	cancel()
	if err := <-failed; shardlog.KindOf(err) != shardlog.Unknown {
		t.Errorf("given up in the middle: %v", err)
	}
	if _, err := all[0].Call(ctx, "g2", "POST", "/", nil); shardlog.KindOf(err) != shardlog.Unavailable && shardlog.KindOf(err) != shardlog.Unknown {
		t.Errorf("given up before: %v", err)
	}
	if _, err := all[0].Call(within(t, time.Second), "g9", "POST", "/", nil); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("nobody: %v", err)
	}
	if _, err := all[0].Call(within(t, time.Second), "g1", "POST", "no path", nil); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("no path: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	town.move("g2", l.Addr().String())
	if _, err := all[0].Call(within(t, time.Second), "g2", "POST", "/", nil); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestWrongGatewayAtAnAddress(t *testing.T) {
	town, all := three(t)
	town.move("g2", all[1].address)
	_, err := all[0].Call(within(t, 10*time.Second), "g2", "GET", "/", nil)
	if shardlog.KindOf(err) != shardlog.Unavailable || !strings.Contains(fmt.Sprint(err), "gateway g1 is there, not g2") {
		t.Errorf("called the wrong one: %v", err)
	}
	town.move("g2", all[2].address)
	if _, err := all[0].Call(within(t, 10*time.Second), "g2", "GET", "/", nil); err != nil {
		t.Error(err)
	}
	town.move("g2", all[0].address)
	if _, err := all[0].Call(within(t, 10*time.Second), "g2", "GET", "/", nil); shardlog.KindOf(err) != shardlog.Denied && shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("called itself: %v", err)
	}
}

func TestConnectionsOfThePeersAreBounded(t *testing.T) {
	town, all := three(t)
	listener := all[1].RaftListener()
	go func() {
		for {
			if _, err := listener.Accept(); err != nil {
				return
			}
		}
	}()
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	var err error
	for range 40 {
		var c net.Conn
		if c, err = all[0].DialRaft(within(t, 10*time.Second), all[1].address); err != nil {
			break
		}
		open = append(open, c)
	}
	if shardlog.KindOf(err) != shardlog.Unavailable || len(open) < 16 {
		t.Errorf("%d connections, then %v", len(open), err)
	}
	if c, err := all[2].DialRaft(within(t, 10*time.Second), all[1].address); err != nil {
		t.Errorf("another peer has no place: %v", err)
	} else {
		c.Close()
	}
	_ = town
}
