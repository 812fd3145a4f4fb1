package peer_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/sync/peer"
)

// lane is a road to a gateway that can be blocked: then bytes neither arrive
// nor are they refused.
type lane struct {
	net.Listener
	to string

	mu    sync.Mutex
	mend  *sync.Cond
	block bool // guarded by mu
	over  bool // guarded by mu
	all   sync.WaitGroup
}

func newLane(t *testing.T, to string) *lane {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &lane{Listener: l, to: to}
	s.mend = sync.NewCond(&s.mu)
	s.all.Go(s.run)
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		s.over = true
		s.mend.Broadcast()
		s.mu.Unlock()
		s.all.Wait()
	})
	return s
}

func (s *lane) run() {
	for {
		in, err := s.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", s.to)
		if err != nil {
			in.Close()
			continue
		}
		s.all.Go(func() { s.carry(in, out) })
		s.all.Go(func() { s.carry(out, in) })
	}
}

func (s *lane) carry(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		if err != nil || !s.clear() {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// clear waits while the road is blocked.
func (s *lane) clear() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.block && !s.over {
		s.mend.Wait()
	}
	return !s.over
}

func (s *lane) set(block bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.block = block
	s.mend.Broadcast()
}

func TestPeerThatSaysNothing(t *testing.T) {
	town, all := three(t, func(c *peer.Config) { c.Patience = 200 * time.Millisecond })
	road := newLane(t, all[1].address)
	town.move("g1", road.Addr().String())
	eventually(t, func() bool { return all[0].peer("g1").Address == road.Addr().String() && all[0].reaches(2) })
	road.set(true)
	eventually(t, func() bool { return !all[0].peer("g1").Reachable && all[0].peer("g2").Reachable })
	if p := all[0].peer("g1"); p.Err == nil || p.Hello.Applied != 7 || p.Contact.IsZero() {
		t.Errorf("known as %+v", p)
	}
	if _, err := all[0].Call(within(t, 50*time.Millisecond), "g1", "GET", "/", nil); err == nil {
		t.Error("was answered")
	}
	road.set(false)
	eventually(t, func() bool { return all[0].peer("g1").Reachable })
}

func TestCallUnderWayAtTheEnd(t *testing.T) {
	arrived, leave := make(chan struct{}), make(chan struct{})
	_, all := three(t, func(c *peer.Config) {
		c.Handler = peer.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			close(arrived)
			<-leave
			_, err := io.WriteString(w, "done")
			return err
		})
	})
	result := make(chan error)
	go func() {
		answer, err := all[0].Call(within(t, 10*time.Second), "g1", "GET", "/", nil)
		if err == nil && string(answer) != "done" {
			err = errors.New(string(answer))
		}
		result <- err
	}()
	<-arrived
	ended := make(chan error)
	go func() { ended <- all[1].stop() }()
	close(leave)
	if err := <-result; err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	eventually(t, func() bool {
		_, err := all[0].Call(within(t, 10*time.Second), "g1", "GET", "/", nil)
		return err != nil && shardlog.KindOf(err) == shardlog.Unavailable
	})
}

// poor is a listener that cannot accept now and then.
type poor struct {
	net.Listener
	mu sync.Mutex
	n  int // guarded by mu
}

func (p *poor) Accept() (net.Conn, error) {
	p.mu.Lock()
	p.n++
	odd := p.n%2 == 1
	p.mu.Unlock()
	if odd {
		return nil, errors.New("too many open files")
	}
	return p.Listener.Accept()
}

func TestAcceptingGoesOn(t *testing.T) {
	town := newTown(t)
	founder := town.found("g0")
	g0 := town.build(founder)
	town.build(town.admit(founder, "g1"), func(c *peer.Config) { c.Listener = &poor{Listener: c.Listener} })
	eventually(t, func() bool { return g0.reaches(1) })
	for range 3 {
		g0.Cut(true)
		eventually(t, func() bool { return g0.reaches(0) })
		g0.Cut(false)
		eventually(t, func() bool { return g0.reaches(1) })
	}
}
