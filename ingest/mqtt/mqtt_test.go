package mqtt_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/shardlogtest"
)

const telemetry shardlog.StreamName = "telemetry"

// stored waits until the log has n records and answers their data.
func stored(t *testing.T, m *shardlogtest.Memory, n int) []string {
	t.Helper()
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for {
		records := m.Records(telemetry)
		if len(records) >= n {
			var data []string
			for _, r := range records {
				data = append(data, string(r.Data))
			}
			return data
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d of %d records", len(records), n)
		}
	}
}

func TestNothingIsAcknowledgedBeforeTheLogHasIt(t *testing.T) {
	for _, v5 := range []bool{false, true} {
		m := shardlogtest.NewMemory()
		s, _ := door(t, m, m, nil)
		d := connect(t, s, "sensor", v5)
		d.publish(1, 1, false, "warm up")
		d.answered(0x40, 1)
		hold := m.Hold()
		for id := uint16(2); id < 6; id++ {
			d.publish(id, 1+byte(id%2), false, fmt.Sprint(id))
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := hold.Wait(ctx, 1); err != nil {
			t.Fatal(err)
		}
		cancel()
		d.silent()
		hold.Release()
		for id := uint16(2); id < 6; id++ { // in the order of the PUBLISHes
			d.answered(map[uint16]byte{0: 0x40, 1: 0x50}[id%2], id)
		}
		if got := stored(t, m, 5); fmt.Sprint(got) != "[warm up 2 3 4 5]" {
			t.Fatalf("stored %v", got)
		}
		if r := m.Records(telemetry)[0]; r.Key != "sensor" {
			t.Fatalf("partition key %q", r.Key)
		}
	}
}

func TestQoS2IsStoredOnceAlsoOverARestart(t *testing.T) {
	m := shardlogtest.NewMemory()
	s, stop := door(t, m, m, nil)
	d := connect(t, s, "sensor", false)
	for range 3 {
		d.publish(7, 2, false, "once")
		d.answered(0x50, 7)
	}
	d.c.Close()
	stop()
	s, _ = door(t, m, m, nil)
	d = connect(t, s, "sensor", false)
	d.publish(7, 2, true, "once")
	d.answered(0x50, 7)
	d.release(7)
	d.answered(0x70, 7)
	if got := stored(t, m, 1); len(got) != 1 {
		t.Fatalf("stored %v", got)
	}
	d.publish(7, 2, false, "the id again")
	d.answered(0x50, 7)
	d.release(7)
	d.answered(0x70, 7)
	if got := stored(t, m, 2); len(got) != 2 {
		t.Fatalf("stored %v", got)
	}
}

func TestMalformedPacketsEndTheirConnectionOnly(t *testing.T) {
	m := shardlogtest.NewMemory()
	s, _ := door(t, m, m, nil)
	good := connect(t, s, "good", false)
	for i, raw := range [][]byte{
		{0x82, 0x06, 0x00, 0x01, 0x00, 0x00, 0x01, 0x61},               // a v5 SUBSCRIBE that is cut off
		{0x82, 0x03, 0x00, 0x01, 0x05},                                 // and another
		{0x30, 0x01, 0x00},                                             // PUBLISH without a topic
		{0x36, 0x05, 0x00, 0x01, 'a', 0x00, 0x01},                      // QoS 3
		{0x32, 0x05, 0x00, 0x01, '#', 0x00, 0x01},                      // wildcard topic
		{0xf0, 0xff, 0xff, 0xff, 0xff, 0x7f},                           // a length of five bytes
		{0x30, 0xff, 0xff, 0xff, 0x7f},                                 // 256 MiB to come
		{0x00, 0x00},                                                   // no such packet
		{0x10, 0x0d, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'x'}, // a second CONNECT
	} {
		d := connect(t, s, fmt.Sprint("bad", i), true)
		if _, err := d.c.Write(raw); err != nil {
			t.Fatal(err)
		}
		if i == 4 { // refused by its reason code, not by the end of the connection
			continue
		}
		d.hungUp()
	}
	good.publish(1, 1, false, "still here")
	good.answered(0x40, 1)
	if got := stored(t, m, 1); len(got) != 1 {
		t.Fatalf("stored %v", got)
	}
}

func TestAPayloadOverTheLimitIsRefusedAndCounted(t *testing.T) {
	m := shardlogtest.NewMemory()
	s, _ := door(t, m, m, nil)
	large := strings.Repeat("x", shardlog.DefaultRecordBytes+1)
	d := connect(t, s, "old", false)
	d.publish(1, 1, false, large)
	d.hungUp()
	d = connect(t, s, "new", true)
	d.publish(2, 1, false, large)
	if kind, body := d.packet(); kind != 0x40 || body[2] != 0x99 {
		t.Fatalf("got %x %x", kind, body)
	}
	if n := s.Stats().Refused["payload"]; n != 2 || len(m.Records(telemetry)) != 0 {
		t.Fatalf("refused %v", s.Stats().Refused)
	}
}

// slowLog is a log whose commits take a while, as those of a disk do.
type slowLog struct {
	shardlog.Writer
	commit time.Duration
}

func (s slowLog) Put(ctx context.Context, name shardlog.StreamName, e []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	<-time.After(s.commit)
	return s.Writer.Put(ctx, name, e, with...)
}

// TestManyInFlightShareACommit holds one device with many messages in flight
// against the same device waiting for each answer.
func TestManyInFlightShareACommit(t *testing.T) {
	m := shardlogtest.NewMemory()
	s, _ := door(t, m, slowLog{m, 5 * time.Millisecond}, nil)
	d := connect(t, s, "sensor", false)
	began := time.Now()
	const alone = 20
	for id := uint16(1); id <= alone; id++ {
		d.publish(id, 1, false, "x")
		d.answered(0x40, id)
	}
	single := time.Since(began) / alone
	const many = 5000
	began = time.Now()
	go func() {
		for i := range many {
			d.publish(uint16(1+i%60000), 1, false, "y")
		}
	}()
	for i := range many {
		d.answered(0x40, uint16(1+i%60000))
	}
	if ratio := float64(single) * many / float64(time.Since(began)); ratio < 20 {
		t.Errorf("many in flight are %.1f times as fast as one by one, want 20", ratio)
	} else {
		t.Logf("%.0f times as fast as one by one", ratio)
	}
}

func TestAThrottledShardWithholdsAndKeepsOrder(t *testing.T) {
	m := shardlogtest.NewMemory()
	m.Quota = &quota.Limits{RecordsIn: 400}
	s, _ := door(t, m, m, nil)
	d := connect(t, s, "sensor", false)
	const n = 1000
	go func() {
		for i := range n {
			d.publish(uint16(i+1), 1, false, fmt.Sprint(i))
		}
	}()
	for i := range n {
		d.answered(0x40, uint16(i+1))
	}
	for i, data := range stored(t, m, n) {
		if data != fmt.Sprint(i) {
			t.Fatalf("record %d is %s", i, data)
		}
	}
	if s.Stats().ThrottledWaits == 0 {
		t.Error("nothing was throttled")
	}
}

func TestAFullLogIsToldByItsCode(t *testing.T) {
	m := shardlogtest.NewMemory()
	s, _ := door(t, m, m, nil)
	old, new := connect(t, s, "old", false), connect(t, s, "new", true)
	old.publish(1, 1, false, "a")
	old.answered(0x40, 1)
	m.Fail = func(op string) error {
		if op == "put" {
			return &shardlog.Error{Kind: shardlog.Full, Op: op}
		}
		return nil
	}
	new.publish(2, 1, false, "b")
	if kind, body := new.packet(); kind != 0x40 || body[2] != 0x97 {
		t.Fatalf("MQTT 5 got %x %x", kind, body)
	}
	old.publish(3, 1, false, "c")
	old.hungUp()
}

func TestMosquittosClients(t *testing.T) {
	pub, err := exec.LookPath("mosquitto_pub")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("mosquitto's clients are needed: deploy/test installs them")
		}
		t.Skip("mosquitto's clients are not installed")
	}
	m := shardlogtest.NewMemory()
	s, _ := door(t, m, m, nil)
	host, port, _ := strings.Cut(s.Addr().String(), ":")
	sub := exec.Command("mosquitto_sub", "-h", host, "-p", port, "-t", "plant/#", "-C", "3", "-W", "10", "-q", "1")
	var heard strings.Builder
	sub.Stdout = &heard
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for s.Stats().Subscriptions == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no subscription")
		}
	}
	for qos := range 3 {
		for _, version := range []string{"311", "5"} {
			topic := "quiet/line"
			if version == "5" {
				topic = "plant/line"
			}
			out, err := exec.Command(pub, "-h", host, "-p", port, "-V", version, "-i", "m"+version, "-t", topic, "-q", fmt.Sprint(qos), "-m", fmt.Sprint(version, "/", qos)).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	if got := stored(t, m, 6); len(got) != 6 {
		t.Fatalf("stored %v", got)
	}
	if err := sub.Wait(); err != nil || strings.Count(heard.String(), "5/") != 3 {
		t.Fatalf("subscriber heard %q, %v", heard.String(), err)
	}
}
