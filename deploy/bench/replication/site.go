package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"golang.org/x/sync/errgroup"

	"headgate/deploy/bench/internal/child"
)

// siteReport is what three processes do beside taking records; NATS's program
// prints the same fields.
type siteReport struct {
	System    string  `json:"system"`
	IdleCPU   float64 `json:"idle_cpu_percent"`             // of one core, all three together
	IdleBytes float64 `json:"idle_bytes_per_second"`        // on the loopback; -1: not known
	IdleDisk  float64 `json:"idle_device_bytes_per_second"` // all three together
	Heartbeat float64 `json:"heartbeat_timeout_ms"`         // 0: the system has none to set
	Failovers int     `json:"failovers"`                    // leaders killed
	P50       float64 `json:"failover_p50_ms"`              // to the next acknowledged record
	P99       float64 `json:"failover_p99_ms"`              //
	Most      float64 `json:"failover_most_ms"`             //
	Acked     int     `json:"acknowledged"`                 // records, while leaders were killed
	Lost      int     `json:"lost"`                         // of them
	CatchUp   float64 `json:"catch_up_mb_per_second"`       // from the start of the process that was away
	Missed    float64 `json:"catch_up_mb"`                  // what it had missed
	CatchTime float64 `json:"catch_up_seconds"`             //
	Records   float64 `json:"catch_up_records_per_second"`  //
}

// site measures three real processes.
func (p plan) site(ctx context.Context) (r siteReport, err error) {
	t, err := openTrio(ctx, p.Dir, p.Binary)
	defer t.stop()
	if err != nil {
		return r, err
	}
	r.System = "Headgate"
	if err := p.idle(ctx, t, &r); err != nil {
		return r, fmt.Errorf("idle: %w", err)
	}
	if err := p.failovers(ctx, t, &r); err != nil {
		return r, fmt.Errorf("failover: %w", err)
	}
	if err := p.catchUp(ctx, t, &r); err != nil {
		return r, fmt.Errorf("catch up: %w", err)
	}
	return r, nil
}

// idle looks at a site that nobody writes to.
func (p plan) idle(ctx context.Context, t *trio, r *siteReport) error {
	rest(ctx, 3*time.Second) // what the start left to do
	before, carried, err := t.used()
	if err != nil {
		return err
	}
	began := time.Now()
	rest(ctx, p.Idle)
	took := time.Since(began).Seconds()
	after, carriedThen, err := t.used()
	r.IdleCPU = 100 * (after.CPU - before.CPU).Seconds() / took
	r.IdleDisk = float64(after.Device-before.Device) / took
	r.IdleBytes = float64(carriedThen-carried) / took
	if _, known := child.Carried(); !known {
		r.IdleBytes = -1
	}
	return err
}

// used is what all processes took so far, and what the loopback carried.
func (t *trio) used() (sum child.Usage, carried uint64, err error) {
	carried, _ = child.Carried()
	for _, n := range t.nodes {
		u, err := child.Measure(n.Pid)
		if err != nil {
			return sum, carried, err
		}
		sum.CPU += u.CPU
		sum.Device += u.Device
	}
	return sum, carried, nil
}

// failovers kills the leader under load, again and again.
func (p plan) failovers(ctx context.Context, t *trio, r *siteReport) error {
	load := newLoad(t)
	var took []time.Duration
	for range p.Failovers {
		lead, err := t.leader(ctx)
		if err != nil {
			return err
		}
		other := t.nodes[(slices.Index(t.nodes, lead)+1)%gateways]
		stop := load.run()
		rest(ctx, 200*time.Millisecond+rand.N(300*time.Millisecond))
		began := time.Now()
		lead.kill()
		err = load.next(ctx, other)
		took = append(took, time.Since(began))
		stop()
		if err == nil {
			err = lead.back()
		}
		if err == nil {
			err = t.settle(ctx)
		}
		if err != nil {
			return err
		}
		for _, n := range t.nodes {
			r.Heartbeat = max(r.Heartbeat, millis(n.heartbeat()))
		}
	}
	slices.Sort(took)
	r.Failovers, r.Acked = len(took), len(load.acked)
	r.P50, r.P99, r.Most = millis(quantile(took, 0.5)), millis(quantile(took, 0.99)), millis(quantile(took, 1))
	var err error
	r.Lost, err = load.lost(ctx)
	return err
}

// load is small writers that hand each record in once.
type load struct {
	trio *trio
	last atomic.Uint64

	mu    sync.Mutex
	acked map[uint64]bool // guarded by mu
}

func newLoad(t *trio) *load { return &load{trio: t, acked: map[uint64]bool{}} }

// run lets two writers at each gateway write until stop.
func (l *load) run() (stop func()) {
	var over atomic.Bool
	var all sync.WaitGroup
	for i := range 2 * gateways {
		k := l.trio.nodes[i%gateways].writer()
		all.Go(func() {
			for !over.Load() {
				if l.put(context.Background(), k) != nil {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	return func() {
		over.Store(true)
		all.Wait()
	}
}

func (l *load) put(ctx context.Context, k *kinesis.Client) error {
	id := l.last.Add(1)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(benchStream), PartitionKey: aws.String(fmt.Sprint(id % 64)), Data: binary.BigEndian.AppendUint64(nil, id)})
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.acked[id] = true
	}
	return err
}

// next puts at a gateway until it is acknowledged.
func (l *load) next(ctx context.Context, n *node) error {
	k := n.writer()
	for late := time.Now().Add(time.Minute); time.Now().Before(late); rest(ctx, 5*time.Millisecond) {
		if l.put(ctx, k) == nil {
			return nil
		}
	}
	return errors.New("nothing was acknowledged for a minute")
}

// lost is how many acknowledged records a gateway cannot read, the worst of them.
func (l *load) lost(ctx context.Context) (worst int, err error) {
	for _, n := range l.trio.nodes {
		there, err := ids(ctx, n.reader())
		if err != nil {
			return 0, err
		}
		lost := 0
		for id := range l.acked {
			if !there[id] {
				lost++
			}
		}
		worst = max(worst, lost)
	}
	return worst, nil
}

// ids reads the stream.
func ids(ctx context.Context, k *kinesis.Client) (map[uint64]bool, error) {
	all := map[uint64]bool{}
	shards, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String(benchStream)})
	if err != nil {
		return nil, err
	}
	for _, sh := range shards.Shards {
		at, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String(benchStream), ShardId: sh.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			return nil, err
		}
		for next, behind := at.ShardIterator, int64(1); next != nil && behind > 0; {
			out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
			if err != nil {
				return nil, err
			}
			for _, r := range out.Records {
				if len(r.Data) == 8 {
					all[binary.BigEndian.Uint64(r.Data)] = true
				}
			}
			next, behind = out.NextShardIterator, aws.ToInt64(out.MillisBehindLatest)
		}
	}
	return all, nil
}

// catchUp kills a follower, writes without it and starts it again.
func (p plan) catchUp(ctx context.Context, t *trio, r *siteReport) error {
	lead, err := t.leader(ctx)
	if err != nil {
		return err
	}
	follower := t.nodes[(slices.Index(t.nodes, lead)+1)%gateways]
	follower.kill()
	records, err := fill(ctx, lead, p.Away<<20)
	if err != nil {
		return err
	}
	target, err := lead.Status()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := follower.back(); err != nil {
		return err
	}
	err = until(ctx, "it has caught up", func() bool {
		s, err := follower.Status()
		return err == nil && s.Log.Applied >= target.Log.Applied
	})
	r.CatchTime = time.Since(began).Seconds()
	r.Missed = float64(p.Away)
	r.CatchUp, r.Records = r.Missed/r.CatchTime, float64(records)/r.CatchTime
	return err
}

const fillSize = 4096

// fill puts that many bytes of noise at a gateway and answers in how many records.
func fill(ctx context.Context, n *node, bytes int) (records int, err error) {
	const perCall, callers = 100, 4
	group, ctx := errgroup.WithContext(ctx)
	calls := max(1, bytes/fillSize/perCall/callers)
	for c := range callers {
		noise := rand.NewChaCha8([32]byte{byte(c), 1})
		k := n.reader()
		group.Go(func() error {
			for range calls {
				all := make([]types.PutRecordsRequestEntry, perCall)
				for i := range all {
					data := make([]byte, fillSize)
					_, _ = noise.Read(data)
					all[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(i)), Data: data}
				}
				out, err := k.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String(benchStream), Records: all})
				if err != nil || aws.ToInt32(out.FailedRecordCount) > 0 {
					return fmt.Errorf("fill: %w", errors.Join(err, errors.New("some records were refused")))
				}
			}
			return nil
		})
	}
	return calls * callers * perCall, group.Wait()
}
