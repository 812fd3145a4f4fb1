package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// site is what three processes do beside taking messages.
type site struct {
	dir                        string
	streams, failovers, missed int // missed: MB while a server is away
	idle                       time.Duration
}

// siteReport is what site prints; Headgate's benchmark prints the same.
type siteReport struct {
	System    string  `json:"system"`
	IdleCPU   float64 `json:"idle_cpu_percent"`
	IdleBytes float64 `json:"idle_bytes_per_second"`
	IdleDisk  float64 `json:"idle_device_bytes_per_second"`
	Failovers int     `json:"failovers"`
	P50       float64 `json:"failover_p50_ms"`
	P99       float64 `json:"failover_p99_ms"`
	Most      float64 `json:"failover_most_ms"`
	Acked     int     `json:"acknowledged"`
	Lost      int     `json:"lost"`
	CatchUp   float64 `json:"catch_up_mb_per_second"`
	Missed    float64 `json:"catch_up_mb"`
	CatchTime float64 `json:"catch_up_seconds"`
	Records   float64 `json:"catch_up_records_per_second"`
}

const servers = 3

func (s site) run(ctx context.Context) error {
	p, err := startProcesses(s.dir, servers)
	if err != nil {
		return err
	}
	defer p.stop()
	js, bye, err := p.connect(0)
	if err != nil {
		return err
	}
	defer bye()
	making, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for i := range s.streams {
		if _, err := makeStream(making, js, i, servers, map[string]string{"n0": "0", "n1": "1", "n2": "2"}); err != nil {
			return fmt.Errorf("make stream %d: %w", i, err)
		}
	}
	if err := settled(ctx, js, s.streams); err != nil {
		return err
	}
	r := siteReport{System: fmt.Sprintf("NATS JetStream %s R%d, sync always", server.VERSION, servers)}
	s.look(ctx, p, &r)
	if err := s.failOver(ctx, p, &r); err != nil {
		return fmt.Errorf("failover: %w", err)
	}
	if err := s.catchUp(ctx, p, &r); err != nil {
		return fmt.Errorf("catch up: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// look watches an idle cluster.
func (s site) look(ctx context.Context, p *processes, r *siteReport) {
	rest(ctx, 3*time.Second)
	before, carriedBefore := p.used(), carried()
	began := time.Now()
	rest(ctx, s.idle)
	took := time.Since(began).Seconds()
	used := p.used().since(before)
	r.IdleCPU, r.IdleDisk = 100*used.cpu.Seconds()/took, float64(used.device)/took
	r.IdleBytes = float64(carried()-carriedBefore) / took
	if carriedBefore == 0 {
		r.IdleBytes = -1 // the network is not our own
	}
}

// failOver kills the leader of the first stream under load, again and again.
func (s site) failOver(ctx context.Context, p *processes, r *siteReport) error {
	l := &load{acked: map[uint64]bool{}}
	var took []time.Duration
	for range s.failovers {
		d, err := l.round(ctx, p, s.streams)
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	slices.Sort(took)
	at := func(q float64) float64 {
		if len(took) == 0 {
			return 0
		}
		return float64(took[int(q*float64(len(took)-1)+0.5)].Microseconds()) / 1000
	}
	r.Failovers, r.Acked, r.P50, r.P99, r.Most = len(took), len(l.acked), at(0.5), at(0.99), at(1)
	js, bye, err := p.connect(0)
	if err != nil {
		return err
	}
	defer bye()
	there, err := ids(ctx, js)
	for id := range l.acked {
		if !there[id] {
			r.Lost++
		}
	}
	return err
}

// load is small writers to the first stream.
type load struct {
	last  atomic.Uint64
	mu    sync.Mutex
	acked map[uint64]bool // guarded by mu
}

func (l *load) put(js jetstream.JetStream, patience time.Duration) error {
	id := l.last.Add(1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := js.Publish(ctx, stream(0), binary.BigEndian.AppendUint64(nil, id))
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.acked[id] = true
	}
	return err
}

func (l *load) round(ctx context.Context, p *processes, streams int) (took time.Duration, err error) {
	var clients []jetstream.JetStream
	for i := range servers {
		js, bye, err := p.connect(i)
		if err != nil {
			return 0, err
		}
		defer bye()
		clients = append(clients, js)
	}
	lead, err := leader(ctx, clients[0], stream(0), servers)
	if err != nil {
		return 0, err
	}
	other := clients[(lead+1)%servers]
	var over atomic.Bool
	var all sync.WaitGroup
	for i := range 2 * servers {
		all.Go(func() {
			for !over.Load() {
				if l.put(clients[i%servers], time.Second) != nil {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	rest(ctx, 200*time.Millisecond+rand.N(300*time.Millisecond))
	began := time.Now()
	p.kill(lead)
	err = errors.New("nothing was acknowledged for a minute")
	for err != nil && time.Since(began) < time.Minute && ctx.Err() == nil {
		// A message whose server died is never answered: do not wait long for it.
		if err = l.put(other, 100*time.Millisecond); err != nil {
			rest(ctx, 5*time.Millisecond)
		}
	}
	took = time.Since(began)
	over.Store(true)
	all.Wait()
	if err != nil {
		return took, err
	}
	if err := p.start(lead); err != nil {
		return took, err
	}
	return took, settled(ctx, other, streams)
}

// ids reads the first stream; while its consumer has no server yet it tries again.
func ids(ctx context.Context, js jetstream.JetStream) (all map[uint64]bool, err error) {
	for late := time.Now().Add(time.Minute); time.Now().Before(late) && ctx.Err() == nil; rest(ctx, time.Second) {
		if all, err = readIDs(ctx, js); err == nil {
			break
		}
	}
	return all, err
}

func readIDs(ctx context.Context, js jetstream.JetStream) (map[uint64]bool, error) {
	s, err := js.Stream(ctx, stream(0))
	if err != nil {
		return nil, err
	}
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	all := map[uint64]bool{}
	for left := int(s.CachedInfo().State.Msgs); left > 0; {
		batch, err := c.Fetch(min(left, 500), jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			return nil, err
		}
		got := 0
		for m := range batch.Messages() {
			all[binary.BigEndian.Uint64(m.Data())] = true
			got++
		}
		if left -= got; got == 0 {
			return nil, errors.Join(fmt.Errorf("%d messages are not readable", left), batch.Error())
		}
	}
	return all, nil
}

// catchUp kills a server, writes without it and starts it again.
func (s site) catchUp(ctx context.Context, p *processes, r *siteReport) error {
	p.kill(1)
	js, bye, err := p.connect(0)
	if err != nil {
		return err
	}
	defer bye()
	records, err := fill(ctx, js, s.streams, s.missed<<20)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := p.start(1); err != nil {
		return err
	}
	if err := settled(ctx, js, s.streams); err != nil {
		return err
	}
	r.CatchTime, r.Missed = time.Since(began).Seconds(), float64(s.missed)
	r.CatchUp, r.Records = r.Missed/r.CatchTime, float64(records)/r.CatchTime
	return nil
}

// fill publishes that many bytes, each stream's in a row, and answers in how
// many messages.
func fill(ctx context.Context, js jetstream.JetStream, streams, bytes int) (records int, err error) {
	const size, window = 4096, 32
	each := bytes / size / streams
	next, err := payloads("", size, 1)
	if err != nil {
		return 0, err
	}
	var all sync.WaitGroup
	failed := make(chan error, streams*window)
	for i := range streams {
		for range window {
			noise := next(0)
			all.Go(func() {
				for range each / window {
					if err := publish(ctx, js, stream(i), noise()); err != nil {
						failed <- err
						return
					}
				}
			})
		}
	}
	all.Wait()
	select {
	case err = <-failed:
	default:
	}
	return each / window * window * streams, err
}

// publish tries for a minute: leaders may have to be found first.
func publish(ctx context.Context, js jetstream.JetStream, name string, data []byte) (err error) {
	for late := time.Now().Add(time.Minute); time.Now().Before(late) && ctx.Err() == nil; rest(ctx, 50*time.Millisecond) {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err = js.Publish(attempt, name, data)
		cancel()
		if err == nil {
			return nil
		}
	}
	return err
}
