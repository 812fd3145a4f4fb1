package syslog

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// split runs the stream through a framer in pieces of the given size.
func split(stream string, most, piece int, clean bool) (all []frame, err error) {
	f := framer{max: most}
	keep := func(fr frame) { all = append(all, frame{data: bytes.Clone(fr.data), cut: fr.cut}) }
	for left := []byte(stream); ; {
		for {
			fr, err := f.next()
			if err != nil {
				return all, err
			}
			if len(fr.data) == 0 {
				break
			}
			keep(fr)
		}
		if len(left) == 0 {
			break
		}
		n := copy(f.space(), left[:min(piece, len(left))])
		f.filled(n)
		left = left[n:]
	}
	if fr := f.rest(clean); len(fr.data) > 0 {
		keep(fr)
	}
	return all, nil
}

// story is frames as text; a bar stands for a cut.
func story(all []frame) string {
	var texts []string
	for _, f := range all {
		text := fmt.Sprintf("%q", f.data)
		if f.cut {
			text += "|"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func TestFrames(t *testing.T) {
	for _, c := range []struct {
		stream, want string
		bad          bool
	}{
		{"<1>a\n<1>b\r\n<1>c\x00\n\n<1>d", `"<1>a" "<1>b" "<1>c" "<1>d"`, false},
		{"<1>a\n404 <b>\n2026\n", `"<1>a" "404 <b>" "2026"`, false}, // once lines, always lines
		{"404 none\n<1>a\n", `"404 none" "<1>a"`, false},
		{"2026-11 x\n", `"2026-11 x"`, false},
		{"123456789 <1>a\n", `"123456789 <"|`, false},
		{"05 <1>ab\n", `"05 <1>ab"`, false},
		{"12", `"12"`, false},
		{"12 ", `"12 "`, false},
		{"5 <1>ab4 <1>\n3 <1>", `"<1>ab" "<1>\n" "<1>"`, false},
		{"5 <1>ab\r\n5 <1>cd\x00", `"<1>ab" "<1>cd"`, false},                     // LF though counted
		{"4 <1>x14 <1>34567890abc4 <1>y", `"<1>x" "<1>34567890"| "<1>y"`, false}, // longer than 11
		{"4 <1>x8 <1>", `"<1>x" "<1>"|`, false},
		{"4 <1>x8", `"<1>x"`, false},
		{"4 <1>x8 ", `"<1>x"`, false},
		{"4 <1>xhello", `"<1>x"`, true},
		{"4 <1>x0 y", `"<1>x"`, true},
		{"4 <1>x123456789 y", `"<1>x"`, true},
		{"4 <1>x1x y", `"<1>x"`, true},
		{"<1>4567890\n<1>4567890a\n<1>4567890a\r\n<1>c\n", `"<1>4567890" "<1>4567890a" "<1>4567890a" "<1>c"`, false},
		{"<1>4567890abc\n<1>c\n<1>4567890abcdefghijkl", `"<1>4567890a"| "<1>c" "<1>4567890a"|`, false},
	} {
		for piece := 1; piece < len(c.stream)+1; piece++ {
			all, err := split(c.stream, 11, piece, true)
			if got := story(all); got != c.want || (err != nil) != c.bad {
				t.Errorf("%q by %d: %s, %v; want %s", c.stream, piece, got, err, c.want)
				break
			}
		}
	}
	if all, _ := split("<1>half", 11, 3, false); story(all) != `"<1>half"|` {
		t.Errorf("broken off: %s", story(all))
	}
}

// FuzzFrames: however a stream is cut into reads, the same messages come of
// it, none is longer than allowed, and lines are all there.
func FuzzFrames(f *testing.F) {
	f.Add("<1>a\n<1>b\r\n<1>c\x00<1>dddddddddddddddd\nx", 3, true)
	f.Add("5 <1>ab4 <1>c99 <1>", 2, false)
	f.Add("5 <1>ab4 <1>ccc", 1, true)
	f.Fuzz(func(t *testing.T, stream string, piece int, clean bool) {
		const most = 11
		piece = max(1, min(piece, len(stream)))
		got, err := split(stream, most, piece, clean)
		whole, wholeErr := split(stream, most, len(stream)+1, clean)
		if story(got) != story(whole) || (err == nil) != (wholeErr == nil) {
			t.Fatalf("%q by %d: %s, %v; at once %s, %v", stream, piece, story(got), err, story(whole), wholeErr)
		}
		for _, fr := range got {
			if len(fr.data) == 0 || len(fr.data) > most || !strings.Contains(stream, string(fr.data)) {
				t.Fatalf("%q: frame %q", stream, fr.data)
			}
		}
	})
}

func TestRates(t *testing.T) {
	r := rates{perSecond: 10}
	from, now := netip.MustParseAddr("192.0.2.1"), time.Unix(0, 0)
	for i := range 10 {
		if wait := r.take(from, now); wait != 0 {
			t.Fatalf("message %d waits %v", i, wait)
		}
	}
	if wait := r.take(from, now); wait != 100*time.Millisecond {
		t.Errorf("wait %v", wait)
	}
	if wait := r.take(netip.MustParseAddr("192.0.2.2"), now); wait != 0 {
		t.Errorf("another source waits %v", wait)
	}
	if wait := r.take(from, now.Add(100*time.Millisecond)); wait != 0 {
		t.Errorf("still waits %v", wait)
	}
	for i := range 2 * maxBuckets {
		r.take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if len(r.buckets) > maxBuckets {
		t.Errorf("%d buckets", len(r.buckets))
	}
	if off := (rates{perSecond: -1}); off.take(from, now) != 0 {
		t.Error("a limit that is off makes wait")
	}
}

func TestSource(t *testing.T) {
	for a, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := source(netip.MustParseAddr(a)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %s", a, got)
		}
	}
}

func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := room{messages: 2, bytes: 10}
		if !r.try(100) || r.try(1) {
			t.Error("an empty room takes one of any size, and then none")
		}
		entered := make(chan bool)
		for range 2 {
			go func() { entered <- r.enter(t.Context(), 5) }()
		}
		synctest.Wait()
		r.leave(1, 100)
		if !<-entered || !<-entered || r.try(0) {
			t.Error("two of five fit, and no more")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if r.enter(ctx, 1) {
			t.Error("entered a full room")
		}
	})
}

// tired is a listener that runs out of file descriptors now and then.
type tired struct {
	net.Listener
	n atomic.Int32
}

func (l *tired) Accept() (net.Conn, error) {
	if l.n.Add(1)%2 == 1 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAcceptGoesOn(t *testing.T) {
	cfg := Config{Sources: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, Log: slog.New(slog.DiscardHandler), MaxConnections: 1}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{cfg: cfg}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.accept(t.Context(), t.Context(), door{Listener: &tired{Listener: l}})
	}()
	for range 3 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a stranger was let in")
		}
		_ = c.Close() // it is
	}
	_ = l.Close() // ends accept
	<-done
	if n := s.Stats().Accepted; n != 3 {
		t.Errorf("%d accepted", n)
	}
}
