package receiver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"headgate/firmware-sim/receiver"
)

// script is a broker that says and expects what a test tells it, byte by byte.
type script struct {
	t       *testing.T
	version int
	net.Conn
	in *bufio.Reader
}

// accept takes the next connection and its CONNECT, and answers it.
func accept(t *testing.T, version int, l net.Listener, present byte) *script {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	s := &script{t, version, conn, bufio.NewReader(conn)}
	s.want(0x10)
	s.say(0x20, present, 0)
	return s
}

// say sends a packet; MQTT 5 has no properties in it.
func (s *script) say(first byte, body ...byte) {
	s.t.Helper()
	if s.version == 5 {
		switch first & 0xf0 {
		case 0x20: // behind the reason
			body = append(body, 0)
		case 0x90: // behind the packet id
			body = slices.Insert(body, 2, 0)
		case 0x30: // behind topic and packet id
			body = slices.Insert(body, 2+int(body[1])+2, 0)
		}
	}
	if _, err := s.Write(append([]byte{first, byte(len(body))}, body...)); err != nil {
		s.t.Fatal(err)
	}
}

// want reads a packet and answers its first two bytes of body.
func (s *script) want(first byte) (id uint16) {
	s.t.Helper()
	head := make([]byte, 2)
	if _, err := io.ReadFull(s.in, head); err != nil || head[0] != first {
		s.t.Fatalf("packet %#x, want %#x: %v", head[0], first, err)
	}
	body := make([]byte, head[1])
	if _, err := io.ReadFull(s.in, body); err != nil {
		s.t.Fatal(err)
	}
	return uint16(body[0])<<8 | uint16(body[1])
}

func (s *script) publish(first byte, id byte, text string) {
	s.t.Helper()
	s.say(first, append([]byte{0, 1, 't', 0, id}, text...)...)
}

// TestOnce: what comes again under its id before that is released is not taken
// again, over another connection either; what comes under it afterwards is new.
func TestOnce(t *testing.T) {
	for _, version := range []int{3, 5} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var mu sync.Mutex
			var took []string
			r, err := receiver.New(receiver.Config{Brokers: []string{l.Addr().String()}, Client: "c", Version: version, Filter: "t", QoS: 2,
				Take: func(_ string, data []byte) { mu.Lock(); took = append(took, string(data)); mu.Unlock() }})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var run sync.WaitGroup
			run.Go(func() {
				if err := r.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			defer run.Wait()
			defer cancel()

			s := accept(t, version, l, 0)
			s.say(0x90, 0, byte(s.want(0x82)), 2)
			s.publish(0x34, 5, "one")
			if id := s.want(0x50); id != 5 {
				t.Errorf("PUBREC of %d", id)
			}
			s.Close()
			s = accept(t, version, l, 1) // it does not subscribe again
			s.publish(0x3c, 5, "one")
			s.want(0x50)
			s.say(0x62, 0, 5)
			s.want(0x70)
			s.publish(0x34, 5, "two")
			s.want(0x50)
			s.publish(0x32, 6, "three")
			s.want(0x40)
			s.Close()
			s = accept(t, version, l, 0) // the session is forgotten
			s.want(0x82)
			mu.Lock()
			defer mu.Unlock()
			if st := r.Stats(); !slices.Equal(took, []string{"one", "two", "three"}) || st.Copies != 1 || st.Forgotten != 1 || st.Connects != 3 || !st.Subscribed {
				t.Errorf("took %q, %+v", took, st)
			}
		})
	}
}
