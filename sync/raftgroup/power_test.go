package raftgroup_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
	"headgate/shardlog/store"
	"headgate/sync/raftgroup"
)

// powerCuts is how often the power is cut; HEADGATE_POWER_CUTS asks for more.
func powerCuts(t *testing.T, usual int) int {
	text := os.Getenv("HEADGATE_POWER_CUTS")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("HEADGATE_POWER_CUTS: %v", err)
	}
	return n
}

const load = 8 // writers, each with a shard of its own

// loaders append numbered records as blocks, one in flight each.
type loaders struct {
	stream shardlog.StreamID
	at     time.Time
	acked  [load]atomic.Uint64 // the last record of each shard that was acknowledged
}

// stream makes the stream, or finds it.
func (l *loaders) prepare(t *testing.T, g *raftgroup.Group, s *store.Store) {
	t.Helper()
	l.at = time.UnixMilli(1_764_000_000_000)
	if st, ok := s.Stream("s"); ok {
		l.stream = st.ID
		if stamp := s.Tail().Stamp; stamp.After(l.at) {
			l.at = stamp
		}
		return
	}
	o, err := g.Propose(within(t, 10*time.Second), shardlog.CreateStream{At: l.at, Spec: shardlog.StreamSpec{Name: "s", Shards: load, Retention: shardlog.DefaultRetention, Class: shardlog.Telemetry}})
	if err != nil || o.Err != nil {
		t.Fatal(err, o.Err)
	}
	l.stream = o.Made.ID
}

// run writes until ctx ends or the group stops answering.
func (l *loaders) run(ctx context.Context, g *raftgroup.Group, s *store.Store) {
	var all sync.WaitGroup
	for i := range load {
		st, _ := s.StreamByID(l.stream)
		shard, _ := st.Shard(uint32(i))
		all.Go(func() {
			for seq := shard.Next; ctx.Err() == nil; seq++ {
				o, err := g.Propose(ctx, l.append(uint32(i), seq))
				if err != nil || o.Err != nil {
					return
				}
				l.acked[i].Store(uint64(seq))
			}
		})
	}
	all.Wait()
}

func (l *loaders) append(shard uint32, seq shardlog.Seq) shardlog.Command {
	var b block.Builder
	data := make([]byte, 300+int(seq)%700)
	copy(data, fmt.Sprintf("%d-%d.", shard, seq))
	b.Add(shard, shardlog.Entry{Key: "k", Data: data})
	sealed, err := b.Seal(block.Head{Stream: l.stream, At: l.at}, func(uint32) shardlog.Seq { return seq })
	if err != nil {
		panic(err)
	}
	return shardlog.Append{At: l.at, Bucket: 1, Blocks: []shardlog.SealedBlock{{Stream: l.stream, Class: shardlog.Telemetry, Bytes: sealed}}}
}

func (l *loaders) seen() (acked [load]uint64) {
	for i := range acked {
		acked[i] = l.acked[i].Load()
	}
	return acked
}

// check reads every shard: its records are whole, in order, without a hole,
// and none is missing that was acknowledged. It answers how many there are.
func check(t *testing.T, s *store.Store, id shardlog.StreamID, acked [load]uint64) (ends [load]uint64) {
	t.Helper()
	for shard := range ends {
		at, want := shardlog.Cursor{}, shardlog.Seq(1)
		for {
			page, err := s.Read(context.Background(), shardlog.ShardID{Stream: id, Number: uint32(shard)}, at, shardlog.Budget{Records: 1000, Bytes: 1 << 20})
			if err != nil || len(page.Gaps) > 0 {
				t.Fatalf("read shard %d: %v, gaps %v", shard, err, page.Gaps)
			}
			for _, r := range page.Records {
				text := fmt.Sprintf("%d-%d.", shard, want)
				if r.Seq != want || string(r.Data[:len(text)]) != text {
					t.Fatalf("shard %d: record %d is %q, want %q", shard, r.Seq, r.Data[:len(text)], text)
				}
				want++
			}
			if at = page.Next; page.Tip {
				break
			}
		}
		if ends[shard] = uint64(want) - 1; ends[shard] < acked[shard] {
			t.Errorf("shard %d ends at %d, acknowledged up to %d", shard, ends[shard], acked[shard])
		}
	}
	return ends
}

// after waits for a moment in the middle of writes, another each round.
func after(round int) { <-time.After(time.Duration(20+round*13%60) * time.Millisecond) }

func TestPowerCutsOfOneVoter(t *testing.T) {
	d, total := store.NewCrashableDisk(), 0
	for round := range powerCuts(t, 15) {
		g := openDisk(t, d)
		c := raftgroup.Config{ID: "a", Machine: g, Journal: g, Locals: g, Snapshots: g, SnapshotBytes: 512 << 10, Log: silent()}
		r := run(t, c)
		if err := r.Await(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		var l loaders
		l.prepare(t, r.Group, g.Store)
		ctx, cancel := context.WithCancel(context.Background())
		var writing sync.WaitGroup
		writing.Go(func() { l.run(ctx, r.Group, g.Store) })
		after(round)
		acked := l.seen()
		next := g.Disk().Crash([]int{0, 50, 100, 20}[round%4], uint64(round))
		cancel()
		writing.Wait()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		total += recovered(t, next.Crash(100, 0), l.stream, acked)
		d = next
	}
	t.Logf("%d records at the last cut of each round, in sum", total)
}

// recovered runs one voter over the disk and checks what it has.
func recovered(t *testing.T, d *store.Disk, id shardlog.StreamID, acked [load]uint64) (records int) {
	t.Helper()
	g := openDisk(t, d)
	r := run(t, raftgroup.Config{ID: "a", Machine: g, Journal: g, Locals: g, Snapshots: g, Log: silent()})
	if err := r.Await(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, end := range check(t, g.Store, id, acked) {
		records += int(end)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	return records
}

// mains is the power of several disks: while it is held no change begins on
// any, so that what is on one never follows from what another has not yet.
type mains struct{ sync.RWMutex }

func (m *mains) plug(d *store.Disk) *store.Disk {
	d.Watch(func(store.Event) error {
		m.RLock()
		defer m.RUnlock()
		return nil
	})
	return d
}

// cut is all members' disks as of one moment.
func (m *mains) cut(members []*member, round int) (disks []*store.Disk) {
	m.Lock()
	defer m.Unlock()
	for i, v := range members {
		d := v.store.(*disk).Disk().Crash([]int{0, 50, 100}[(round+i)%3], uint64(round))
		disks = append(disks, m.plug(d))
	}
	return disks
}

func TestPowerCutsOfThreeVoters(t *testing.T) {
	var power mains
	s := newTrio(t, 512<<10, func(t *testing.T) ground { return openDisk(t, power.plug(store.NewCrashableDisk())) })
	for round := range powerCuts(t, 5) {
		lead := s.leader()
		on := lead.store.(*disk).Store
		var l loaders
		l.prepare(t, lead.Group, on)
		ctx, cancel := context.WithCancel(context.Background())
		var writing sync.WaitGroup
		writing.Go(func() { l.run(ctx, lead.Group, on) })
		after(round)
		acked := l.seen()
		disks := power.cut(s.members, round)
		cancel()
		writing.Wait()
		for _, m := range s.members {
			m.wire.sever(true)
		}
		for _, m := range s.members {
			_ = m.stop()
		}
		for i, m := range s.members {
			m.store = openDisk(t, disks[i])
			m.wire.sever(false)
		}
		for _, m := range s.members {
			s.start(m, m.wire.link(t))
		}
		lead = s.leader()
		ends := check(t, lead.store.(*disk).Store, l.stream, acked)
		for _, m := range s.members {
			eventually(t, func() bool { return m.store.Applied() >= lead.store.Applied() })
			if other := check(t, m.store.(*disk).Store, l.stream, acked); other != ends {
				t.Errorf("%s has %v, the leader %v", m.id, other, ends)
			}
		}
	}
}
