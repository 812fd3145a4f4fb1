package fault_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fault"
	"headgate/firmware-sim/fleet"
	"headgate/firmware-sim/mosquitto"
	"headgate/firmware-sim/packet"
)

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(40 * time.Second); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 40 s", what)
		}
	}
}

// reader reads what the broker has taken, as records are read at a gateway.
type reader struct {
	mu       sync.Mutex
	messages []packet.Message
}

func read(t *testing.T, addr string) *reader {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := packet.Open(t.Context(), raw, packet.Connect{ClientID: "reader", Clean: true})
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{}
	var all sync.WaitGroup
	all.Go(func() { c.Run(context.Background()) })
	if err := c.Subscribe(t.Context(), "d/#"); err != nil {
		t.Fatal(err)
	}
	all.Go(func() {
		for {
			m, err := c.Next(context.Background())
			if err != nil {
				return
			}
			r.mu.Lock()
			r.messages = append(r.messages, m)
			r.mu.Unlock()
		}
	})
	t.Cleanup(func() { c.Drop(); all.Wait() })
	return r
}

// verify compares what was read with what was acknowledged, when nothing comes any more.
func (r *reader) verify(t *testing.T, oracle string) fleet.Report {
	t.Helper()
	acked, err := fleet.ReadOracle(oracle)
	if err != nil {
		t.Fatal(err)
	}
	var report fleet.Report
	still := 0
	eventually(t, "all is read", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if uint64(len(r.messages)) > report.Records || report.Records == 0 {
			checker := fleet.NewChecker(acked)
			for _, m := range r.messages {
				checker.Add("", m.Payload, time.Time{})
			}
			report, still = checker.Report(), 0
		}
		still++
		return report.Records > 0 && (report.Missing == 0 || still > 100)
	})
	return report
}

// run runs a small fleet under faults to its end.
func run(t *testing.T, addr string, plan fault.Plan, conf fleet.Config) (*fault.Injector, fleet.Totals) {
	t.Helper()
	i := fault.New(plan, 7)
	conf.Broker, conf.Kinds, conf.World.Seed, conf.BackoffMax = addr, []device.Kind{device.Temperature}, 9, 50*time.Millisecond
	conf.Dial = i.Dial(fleet.Plain)
	f, err := fleet.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if err := f.Run(ctx); err != nil {
		t.Fatal(err)
	}
	totals := f.Totals()
	if totals.Finished != conf.Devices {
		t.Fatalf("%v: %+v", i.Counts(), totals)
	}
	return i, totals
}

// Faults that a broker and a device must survive: each happens, its trace is
// seen, and nothing that was acknowledged is missing.
func TestNothingIsLost(t *testing.T) {
	for name, c := range map[fault.Name]struct {
		chance float64
		qos    byte
		loses  bool // connections
		seen   func(fleet.Report, fleet.Totals) bool
	}{
		fault.Cut:      {0.01, 1, true, func(_ fleet.Report, t fleet.Totals) bool { return t.Repeated > 0 }},
		fault.HalfOpen: {0.002, 1, true, nil},
		fault.Slow:     {0.01, 1, false, func(_ fleet.Report, t fleet.Totals) bool { return t.Ack99 > 20*time.Millisecond }},
		fault.Twin:     {0.005, 1, true, nil},
		fault.Dup:      {0.1, 1, false, func(r fleet.Report, _ fleet.Totals) bool { return r.Duplicates > 0 }},
		fault.Reuse:    {0.1, 1, false, nil},
		fault.Oversize: {0.005, 1, true, nil},
		fault.Silence:  {0.002, 1, true, nil},
	} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			addr := mosquitto.Start(t, "max_packet_size 1048576").Addr
			r := read(t, addr)
			oracle := filepath.Join(t.TempDir(), "acked")
			i, totals := run(t, addr, fault.Plan{name: c.chance}, fleet.Config{Devices: 4, Messages: 500, Window: 20, QoS: []byte{c.qos}, Oracle: oracle, KeepAlive: time.Second})
			if i.Counts()[name] == 0 {
				t.Error("the fault never happened")
			}
			if c.loses != (totals.Losses > 0) {
				t.Errorf("%d connections were lost", totals.Losses)
			}
			report := r.verify(t, oracle)
			if !report.OK() && name != fault.Reuse || report.Missing > 0 || report.Altered > 0 || report.Acked != 2000 || c.seen != nil && !c.seen(report, totals) {
				t.Errorf("%v\n%+v\n%+v", i.Counts(), report, totals)
			}
		})
	}
}

// QoS 2 stays exactly once, whatever is repeated and cut.
func TestExactlyOnce(t *testing.T) {
	addr := mosquitto.Start(t, "max_packet_size 1048576").Addr
	r := read(t, addr)
	oracle := filepath.Join(t.TempDir(), "acked")
	i, _ := run(t, addr, fault.Plan{fault.Dup: 0.05, fault.Cut: 0.005, fault.Twin: 0.002}, fleet.Config{Devices: 4, Messages: 500, Window: 20, QoS: []byte{2}, Oracle: oracle})
	if n := i.Counts(); n[fault.Dup] == 0 || n[fault.Cut] == 0 {
		t.Errorf("%v", n)
	}
	if report := r.verify(t, oracle); !report.OK() || report.Duplicates > 0 || report.Acked != 2000 {
		t.Errorf("%v: %+v", i.Counts(), report)
	}
}

// What was altered on its way and acknowledged is told as altered, and missing.
func TestCorruptionIsTold(t *testing.T) {
	addr := mosquitto.Start(t, "max_packet_size 1048576").Addr
	r := read(t, addr)
	oracle := filepath.Join(t.TempDir(), "acked")
	i, _ := run(t, addr, fault.Plan{fault.Corrupt: 0.02}, fleet.Config{Devices: 2, Messages: 500, Oracle: oracle})
	n := uint64(i.Counts()[fault.Corrupt])
	if report := r.verify(t, oracle); n == 0 || report.OK() || report.Altered+report.Foreign != n || report.Missing != n {
		t.Errorf("%d corrupted: %+v", n, report)
	}
}

// A device that sends no PINGREQ is put out by the broker.
func TestSilenceIsNoticed(t *testing.T) {
	addr := mosquitto.Start(t, "max_packet_size 1048576").Addr
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	i := fault.New(fault.Plan{fault.Silence: 1}, 1)
	c, err := packet.Open(t.Context(), i.Wrap(raw, nil), packet.Connect{ClientID: "quiet", Clean: true, KeepAlive: 1})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	var all sync.WaitGroup
	begun := time.Now()
	all.Go(func() { done <- c.Run(t.Context()) })
	all.Go(func() { c.Publish(t.Context(), packet.Message{Topic: "d/x", QoS: 1}) })
	if err := <-done; !errors.Is(err, packet.ErrLost) || time.Since(begun) < time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
	all.Wait()
}

// A power cut takes what the ring had not synced, and nothing else: the next
// life takes those samples again.
func TestPowerCut(t *testing.T) {
	dir := t.TempDir()
	conf := fleet.Config{Broker: "127.0.0.1:1", Devices: 3, Messages: 2000, Rate: 1000, Kinds: []device.Kind{device.Temperature},
		World: device.World{Seed: 9}, Oracle: filepath.Join(dir, "acked"), State: filepath.Join(dir, "state"), Ring: 1 << 20}
	f, err := fleet.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	var all sync.WaitGroup
	all.Go(func() { done <- f.Run(t.Context()) })
	eventually(t, "samples gather", func() bool { return f.Totals().Buffered > 2000 })
	before := f.Totals().Buffered
	f.PowerCut()
	if err := <-done; !errors.Is(err, device.ErrPowerCut) {
		t.Fatal(err)
	}
	all.Wait()
	addr := mosquitto.Start(t, "max_packet_size 1048576").Addr
	r := read(t, addr)
	conf.Broker = addr
	if f, err = fleet.New(conf); err != nil {
		t.Fatal(err)
	}
	after := f.Totals().Buffered
	if after == 0 || after >= before {
		t.Errorf("%d samples in the rings before the cut, %d after", before, after)
	}
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report := r.verify(t, conf.Oracle); !report.OK() || report.Acked != 6000 {
		t.Errorf("%+v", report)
	}
}

// A fleet whose clock was wrong is checked all the same.
func TestClocks(t *testing.T) {
	addr := mosquitto.Start(t, "max_packet_size 1048576").Addr
	for name, world := range map[string]device.World{
		"1970": {Epoch: time.Unix(0, 0)},
		"jump": {Epoch: time.Unix(0, 0), Jump: 56 * 365 * 24 * time.Hour},
	} {
		r := read(t, addr)
		oracle := filepath.Join(t.TempDir(), "acked")
		run(t, addr, nil, fleet.Config{Devices: 2, Messages: 200, Oracle: oracle, World: world})
		report := r.verify(t, oracle)
		var early, late int
		r.mu.Lock()
		for _, m := range r.messages {
			if time.UnixMilli(stamp(t, m.Payload)).Year() < 1971 {
				early++
			} else {
				late++
			}
		}
		r.mu.Unlock()
		if !report.OK() || report.Acked != 400 || early == 0 || (late > 0) != (name == "jump") {
			t.Errorf("%s: %d early, %d late, %+v", name, early, late, report)
		}
	}
}

func TestPlans(t *testing.T) {
	if p, err := fault.Parse([]string{"cut=0.5", "dup"}); err != nil || p[fault.Cut] != 0.5 || p[fault.Dup] != 1 {
		t.Error(p, err)
	}
	for _, wrong := range []string{"cat=1", "cut=2", "cut=-1", "cut=x", "cut=NaN", ""} {
		if _, err := fault.Parse([]string{wrong}); !errors.Is(err, fault.ErrFault) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
