package fleet_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fleet"
)

// complete fails unless the oracle holds exactly messages 1 … each of every
// device that gets acknowledgements.
func complete(t *testing.T, path string, devices int, each uint64) *fleet.Acked {
	t.Helper()
	acked := readOracle(t, path)
	if len(acked.Devices) != devices {
		t.Errorf("%d devices in the oracle, want %d", len(acked.Devices), devices)
	}
	for id, d := range acked.Devices {
		if d.Numbers.Len() != each || d.Numbers.Max() != each || d.Numbers.Has(0) {
			t.Errorf("%s: %d acknowledged up to %d, want %d", id, d.Numbers.Len(), d.Numbers.Max(), each)
		}
	}
	return acked
}

func TestFleetSendsEverything(t *testing.T) {
	b := startBroker(t)
	read := b.subscribe(t)
	oracle := filepath.Join(t.TempDir(), "acked")
	f := start(t, fleet.Config{Broker: b.Addr, Devices: 30, Messages: 40, Kinds: device.Kinds(), QoS: []byte{0, 1, 2}, Versions: []int{3, 5},
		World: device.World{Seed: 4}, Oracle: oracle})
	totals := f.wait(t)
	if totals.Sent != 1200 || totals.Acknowledged != 800 || totals.Unanswered != 400 || totals.Finished != 30 ||
		totals.MostAtOnce != 30 || totals.InFlight != 0 || totals.Connected != 0 {
		t.Errorf("%+v", totals)
	}
	eventually(t, "all is read", func() bool { return read.len() >= 1200 })
	r := read.check(complete(t, oracle, 20, 40))
	if !r.OK() || r.Duplicates != 0 || r.Extra != 400 || r.Records != 1200 {
		t.Errorf("%+v", r)
	}
}

// Connections break in the middle of everything, the broker lives on: QoS 1
// arrives at least once, QoS 2 exactly once, both in order.
func TestFleetSurvivesBrokenLinks(t *testing.T) {
	for name, as := range map[string]struct {
		qos     byte
		version int
	}{"at least once": {1, 3}, "exactly once": {2, 3}, "at least once by 5": {1, 5}, "exactly once by 5": {2, 5}} {
		t.Run(name, func(t *testing.T) {
			b := startBroker(t)
			read := b.subscribe(t)
			p := startProxy(t, b.Addr)
			oracle := filepath.Join(t.TempDir(), "acked")
			f := start(t, fleet.Config{Broker: p.Addr().String(), Devices: 8, Messages: 8000, QoS: []byte{as.qos}, Versions: []int{as.version}, Window: 200,
				World: device.World{Seed: 5}, Oracle: oracle, BackoffMax: 100 * time.Millisecond})
			for i := range int64(6) {
				eventually(t, "messages flow", func() bool { return f.Totals().Acknowledged > 8000*(i+1) })
				p.breakAll()
			}
			totals := f.wait(t)
			r := read.all(t, complete(t, oracle, 8, 8000))
			if !r.OK() || r.Extra != 0 || r.Altered != 0 || as.qos == 2 && r.Duplicates != 0 || totals.Forgotten != 0 {
				t.Errorf("%+v", r)
			}
			if totals.Losses == 0 || totals.Repeated == 0 {
				t.Errorf("nothing broke: %+v", totals)
			}
		})
	}
}

// The broker is killed and comes back; what came due meanwhile waits in the
// rings and is sent in the end.
func TestFleetBuffersWhileBrokerIsDown(t *testing.T) {
	b := startBroker(t)
	dir := t.TempDir()
	oracle := filepath.Join(dir, "acked")
	f := start(t, fleet.Config{Broker: b.Addr, Devices: 50, Messages: 400, Rate: 100, World: device.World{Seed: 6},
		Oracle: oracle, State: filepath.Join(dir, "state"), Ring: 4 << 20, BackoffMax: 300 * time.Millisecond})
	eventually(t, "messages flow", func() bool { return f.Totals().Acknowledged > 2000 })
	b.Kill()
	eventually(t, "messages gather", func() bool { return f.Totals().Buffered > 5000 })
	b.Restart(t)
	totals := f.wait(t)
	if totals.Dropped != 0 || totals.Buffered != 0 || totals.Acknowledged != 20000 || totals.Losses < 50 {
		t.Errorf("%+v", totals)
	}
	complete(t, oracle, 50, 400)
}

// A fleet stopped while the broker is away goes on in the next process with
// what its rings hold.
func TestFleetGoesOnAfterRestart(t *testing.T) {
	b := startBroker(t)
	dir := t.TempDir()
	conf := fleet.Config{Broker: b.Addr, Devices: 20, Messages: 300, Rate: 100, World: device.World{Seed: 7},
		Oracle: filepath.Join(dir, "acked"), State: filepath.Join(dir, "state"), Ring: 4 << 20,
		Grace: 100 * time.Millisecond, BackoffMax: 100 * time.Millisecond}
	f := start(t, conf)
	eventually(t, "messages flow", func() bool { return f.Totals().Acknowledged > 1000 })
	b.Kill()
	eventually(t, "messages gather", func() bool { return f.Totals().Buffered > 1000 })
	f.cancel()
	held := f.wait(t).Buffered

	b.Restart(t)
	read := b.subscribe(t)
	conf.World.Seed = 0 // that of the files
	again := start(t, conf)
	if again.World().Seed != 7 {
		t.Errorf("goes on with seed %d", again.World().Seed)
	}
	if got := again.Totals().Buffered; got == 0 || got > held+200 { // it runs: some are new
		t.Errorf("%d messages in the rings, %d were", got, held)
	}
	if totals := again.wait(t); totals.Finished != 20 || totals.Buffered != 0 {
		t.Errorf("%+v", totals)
	}
	complete(t, conf.Oracle, 20, 300)
	eventually(t, "all is read", func() bool { return int64(read.len()) >= again.Totals().Sent })
}

func TestFleetRefusesFilesOfAnother(t *testing.T) {
	oracle := oracleOf(t)
	for name, conf := range map[string]fleet.Config{
		"seed":    {Oracle: oracle, World: device.World{Seed: world.Seed + 1}},
		"broker":  {Broker: "nowhere"},
		"window":  {Window: 70000},
		"devices": {Devices: 900_000},
		"QoS":     {QoS: []byte{3}},
		"version": {Versions: []int{4}},
		"brokers": {Broker: "127.0.0.1:1,nowhere"},
	} {
		if conf.Broker == "" {
			conf.Broker = "127.0.0.1:1"
		}
		if _, err := fleet.New(conf); err == nil {
			t.Errorf("%s: a fleet is made", name)
		} else if wrong := errors.Is(err, fleet.ErrConfig); wrong == (name == "seed" || name == "devices") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A device goes on to the next broker when one fails it.
func TestFleetChangesBrokers(t *testing.T) {
	b := startBroker(t)
	gone, p := startProxy(t, b.Addr), startProxy(t, b.Addr)
	f := start(t, fleet.Config{Broker: gone.Addr().String() + "," + p.Addr().String(), Devices: 8, Messages: 300, Rate: 200,
		QoS: []byte{1, 2}, Versions: []int{3, 5}, World: device.World{Seed: 8}, BackoffMax: 50 * time.Millisecond})
	eventually(t, "messages flow", func() bool { return f.Totals().Acknowledged > 200 && f.Totals().Connected == 8 })
	gone.Close()
	gone.breakAll()
	totals := f.wait(t)
	if totals.Acknowledged != 2400 || totals.Losses < 4 || totals.Forgotten != 0 {
		t.Errorf("%+v", totals)
	}
}

// A stop ends a fleet that never reached its broker.
func TestFleetStopsOffline(t *testing.T) {
	f := start(t, fleet.Config{Broker: "127.0.0.1:1", Devices: 5, Messages: 5})
	eventually(t, "connects fail", func() bool { return f.Totals().Failures > 4 })
	f.cancel()
	if totals := f.wait(t); totals.Sent != 0 || totals.LastError == "" {
		t.Errorf("%+v", totals)
	}
}
