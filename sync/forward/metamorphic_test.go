package forward_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headgate/shardlog"
	"headgate/sync/forward"
)

// The model: each device puts messages 0, 1, 2 … under a key of its own, one
// at a time, through a gateway that leads, follows, is cut off and is
// restarted. What was acknowledged is in the log exactly once, and in order;
// what was certainly refused is put again; what is in doubt at most once.
func TestAcknowledgedIsStoredOnceAndInOrder(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubbled(t, func(t *testing.T) { newStory(t, uint64(seed)).run() })
		})
	}
}

var ids = []string{"a", "bb", "ccc"}

// story is one run of the model.
type story struct {
	*site
	t       *testing.T
	random  *rand.Rand // guarded by luck
	luck    sync.Mutex
	disks   map[string]*disk
	places  map[string]*place
	devices []*device
	calm    bool // guarded by luck
	events  []string
}

// place is where devices find their gateway, whichever run of it.
type place struct {
	mu      sync.Mutex
	gateway *gateway
	ctx     context.Context // ends with that run
	end     context.CancelFunc
}

func (p *place) now() (*gateway, context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gateway, p.ctx
}

// device is owned by its goroutine until that ends.
type device struct {
	key   string
	exact bool // as QoS 2: with a change that happens once
	fate  []string
}

func newStory(t *testing.T, seed uint64) *story {
	s := &story{site: newSite(t), t: t, random: rand.New(rand.NewPCG(seed, 1)), disks: map[string]*disk{}, places: map[string]*place{}}
	s.site.log.pace = 20 * time.Millisecond
	for _, id := range ids {
		s.disks[id], s.places[id] = newDisk(), &place{}
		s.boot(id)
	}
	return s
}

// n is a random number below most.
func (s *story) n(most int) int {
	s.luck.Lock()
	defer s.luck.Unlock()
	return s.random.IntN(most)
}

func (s *story) note(format string, args ...any) {
	s.luck.Lock()
	defer s.luck.Unlock()
	s.events = append(s.events, fmt.Sprintf("%v ", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))+fmt.Sprintf(format, args...))
}

func (s *story) boot(id string) {
	p := s.places[id]
	g := s.site.start(id, s.disks[id], func(c *forward.Config) {
		call := c.Call
		c.Call = func(ctx context.Context, peer, path string, body []byte) ([]byte, error) {
			if !s.quiet() && s.n(20) == 0 {
				s.haunt(peer, path, body)
				return nil, errors.New("it lies in a socket")
			}
			reply, err := call(ctx, peer, path, body)
			if err != nil && shardlog.KindOf(err) != shardlog.Unavailable && s.n(3) == 0 {
				s.haunt(peer, path, body)
			}
			return reply, err
		}
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gateway = g
	p.ctx, p.end = context.WithCancel(context.Background())
}

// haunt lets a message whose sender knows no outcome arrive much later.
func (s *story) haunt(peer, path string, body []byte) {
	again := bytes.Clone(body)
	time.AfterFunc(time.Duration(s.n(3000))*time.Millisecond, func() {
		if g, _ := s.places[peer].now(); g != nil {
			r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(again))
			g.handler.ServeHTTP(httptest.NewRecorder(), r)
		}
	})
}

func (s *story) run() {
	s.elect("a")
	if err := s.places["a"].gateway.Control().CreateStream(s.t.Context(), shardlog.StreamSpec{Name: "s", Shards: 3}); err != nil {
		s.t.Fatal(err)
	}
	s.site.mu.Lock()
	s.fate = func(path string) (bool, bool) {
		switch s.n(20) {
		case 0:
			return false, false
		case 1:
			return true, s.quiet()
		}
		return true, true
	}
	s.site.mu.Unlock()
	var group sync.WaitGroup
	ctx, end := context.WithTimeout(context.Background(), 2*time.Minute)
	defer end()
	for i := range 12 {
		d := &device{key: fmt.Sprint("device", i), exact: i%3 == 0}
		s.devices = append(s.devices, d)
		group.Go(func() { s.publish(ctx, d, s.places[ids[i%3]]) })
	}
	group.Go(func() { s.trouble(ctx) })
	group.Wait()
	s.settle()
	s.verify()
}

func (s *story) quiet() bool {
	s.luck.Lock()
	defer s.luck.Unlock()
	return s.calm
}

// trouble changes the site every few seconds.
func (s *story) trouble(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(s.n(6000)) * time.Millisecond)
		id := ids[s.n(3)]
		switch what := s.n(10); {
		case what < 3:
			s.note("elect %s", id)
			s.elect(id)
		case what < 4:
			s.note("elect nobody")
			s.elect("")
			time.Sleep(time.Duration(s.n(9000)) * time.Millisecond)
		case what < 6:
			s.note("part %s", id)
			s.part(id, true)
		case what < 9:
			s.note("join %s", id)
			s.part(id, false)
		default:
			s.note("restart %s", id)
			s.restart(id)
		}
	}
}

func (s *story) restart(id string) {
	p := s.places[id]
	g, _ := p.now()
	p.end()
	g.stop()
	s.boot(id)
}

// publish puts messages one after the other until ctx ends.
func (s *story) publish(ctx context.Context, d *device, p *place) {
	for n := 0; ctx.Err() == nil; n++ {
		d.fate = append(d.fate, s.message(ctx, d, p, n))
		time.Sleep(time.Duration(s.n(200)) * time.Millisecond)
	}
}

// message puts one message until its fate is known, or it is in doubt.
func (s *story) message(ctx context.Context, d *device, p *place, n int) string {
	var with []shardlog.Mutation
	if d.exact {
		with = []shardlog.Mutation{exact(fmt.Sprint(d.key, "/", n), d.key)}
	}
	for ctx.Err() == nil {
		g, life := p.now()
		impatient, stop := context.WithTimeout(life, time.Duration(1+s.n(20000))*time.Millisecond)
		_, err := g.Writer(true).Put(impatient, "s", one(d.key, n), with...)
		stop()
		switch {
		case err == nil:
			return "stored"
		case shardlog.KindOf(err) == shardlog.Unknown && !d.exact:
			return "doubt"
		case shardlog.KindOf(err) == shardlog.Conflict && d.exact:
			return "stored"
		case shardlog.KindOf(err) == shardlog.Unavailable, shardlog.KindOf(err) == shardlog.Unknown:
		default:
			s.t.Errorf("%s %d: %v", d.key, n, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "given up"
}

// settle ends all trouble and waits until the spools are empty.
func (s *story) settle() {
	s.luck.Lock()
	s.calm = true
	s.luck.Unlock()
	for _, id := range ids {
		s.part(id, false)
	}
	s.elect("bb")
	for _, id := range ids {
		g, _ := s.places[id].now()
		for i := 0; ; i++ {
			if st := g.State(); !st.Isolated && st.Rows == 0 {
				break
			} else if i > 3000 {
				s.t.Errorf("%s is not drained: %+v %+v", id, st, g.Stats())
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	for _, id := range ids {
		g, _ := s.places[id].now()
		s.places[id].end()
		g.stop()
	}
	time.Sleep(5 * time.Second) // ghosts
	synctest.Wait()
}

func (s *story) verify() {
	all := s.stored("s")
	spooled, doubts, stored := 0, 0, 0
	for _, d := range s.devices {
		have := all[d.key]
		times := map[string]int{}
		for _, m := range have {
			times[m]++
		}
		last := -1
		for n, fate := range d.fate {
			m := fmt.Sprint(d.key, " ", n)
			switch {
			case times[m] > 1:
				s.t.Errorf("%s is stored %d times (%s)", m, times[m], fate)
			case fate == "stored" && times[m] != 1:
				s.t.Errorf("%s is lost", m)
			case fate == "stored":
				at := slices.Index(have, m)
				if at < last {
					s.t.Errorf("%s is at %d, after a later one at %d", m, at, last)
				}
				last = at
				stored++
			case fate == "doubt":
				doubts++
			}
		}
	}
	for _, id := range ids {
		spooled += int(s.places[id].gateway.Stats().Spooled)
	}
	if s.t.Failed() {
		for _, e := range s.events {
			s.t.Log(e)
		}
	}
	s.t.Logf("%d stored, %d in doubt, %d went through the last runs' spools", stored, doubts, spooled)
}
