package fault_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"headgate/firmware-sim/fault"
	"headgate/firmware-sim/fleet"
	"headgate/firmware-sim/mosquitto"
)

func stamp(t *testing.T, payload []byte) int64 {
	t.Helper()
	var p struct {
		TS int64 `json:"ts"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		t.Fatal(err)
	}
	return p.TS
}

// A link that is slow, loses, and is cut for a while costs time and no message.
func TestLink(t *testing.T) {
	addr := mosquitto.Start(t, "max_packet_size 1048576").Addr
	r := read(t, addr)
	l := &fault.Link{To: addr, Latency: 30 * time.Millisecond, Loss: 0.05, Seed: 3}
	at, err := l.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); all.Wait() })
	oracle := filepath.Join(t.TempDir(), "acked")
	f, err := fleet.New(fleet.Config{Broker: at, Devices: 4, Messages: 400, Rate: 200, Oracle: oracle, KeepAlive: time.Second, BackoffMax: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	all.Go(func() { done <- f.Run(ctx) })
	eventually(t, "messages flow", func() bool { return f.Totals().Acknowledged > 200 })
	l.Partition(true)
	eventually(t, "nothing flows", func() bool { return f.Totals().Losses > 0 })
	held := f.Totals().Acknowledged
	l.Partition(false)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	totals := f.Totals()
	if totals.Acknowledged != 1600 || held >= 1600 || totals.AckMedian < 60*time.Millisecond || totals.Ack99 < 200*time.Millisecond {
		t.Errorf("%d acknowledged at the partition: %+v", held, totals)
	}
	if report := r.verify(t, oracle); !report.OK() || report.Acked != 1600 {
		t.Errorf("%+v", report)
	}
}
