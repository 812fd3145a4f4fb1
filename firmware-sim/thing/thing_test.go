package thing_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/firmware-sim/mosquitto"
	"headgate/firmware-sim/packet"
	"headgate/firmware-sim/thing"
)

// dial connects one that is no thing.
func dial(t *testing.T, addr, name string, v5 bool, filters ...string) *packet.Conn {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := packet.Open(t.Context(), raw, packet.Connect{ClientID: name, Clean: true, V5: v5})
	if err != nil {
		t.Fatal(err)
	}
	var run sync.WaitGroup
	run.Go(func() { c.Run(context.Background()) })
	t.Cleanup(func() { c.Drop(); run.Wait() })
	if err := c.Subscribe(t.Context(), filters...); err != nil {
		t.Fatal(err)
	}
	return c
}

// cloud is the gateway's side of AWS's topics: one shadow, one job, one file.
type cloud struct {
	*packet.Conn
	t     *testing.T
	image []byte
	hash  string // that the job document says
	lose  map[int]bool

	mu       sync.Mutex
	version  int64
	reported map[string]any
	desired  map[string]any
	status   []string
	queued   bool
	gets     int
}

const things = "$aws/things/press/"

func startCloud(t *testing.T, addr string) *cloud {
	c := &cloud{t: t, Conn: dial(t, addr, "cloud", false, things+"shadow/update", things+"shadow/get", things+"jobs/start-next", things+"jobs/+/update", things+"streams/+/get/json"),
		reported: map[string]any{}, desired: map[string]any{}, lose: map[int]bool{}}
	ctx, stop := context.WithCancel(context.Background())
	var serve sync.WaitGroup
	serve.Go(func() {
		for {
			m, err := c.Next(ctx)
			if err != nil {
				return
			}
			c.serve(ctx, strings.TrimPrefix(m.Topic, things), m.Payload)
		}
	})
	t.Cleanup(func() { stop(); serve.Wait() })
	return c
}

func (c *cloud) say(ctx context.Context, topic string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	if err := c.Publish(ctx, packet.Message{Topic: things + topic, Payload: text, QoS: 1}); err != nil && ctx.Err() == nil {
		c.t.Error(err)
	}
}

type object = map[string]any

func (c *cloud) delta() object {
	d := object{}
	for k, v := range c.desired {
		if fmt.Sprint(v) != fmt.Sprint(c.reported[k]) {
			d[k] = v
		}
	}
	return d
}

func (c *cloud) serve(ctx context.Context, topic string, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var m struct {
		State  struct{ Reported object }
		Status string
		O, N   int
		L      int
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		c.t.Errorf("%s: %s: %v", topic, payload, err)
	}
	switch {
	case topic == "shadow/update":
		c.version++
		for k, v := range m.State.Reported {
			c.reported[k] = v
		}
	case topic == "shadow/get":
		state := object{"reported": c.reported, "desired": c.desired}
		if d := c.delta(); len(d) > 0 {
			state["delta"] = d
		}
		c.say(ctx, "shadow/get/accepted", object{"version": c.version, "state": state})
	case topic == "jobs/start-next" && c.queued:
		c.say(ctx, "jobs/start-next/accepted", object{"execution": object{"jobId": "v2", "status": "IN_PROGRESS", "versionNumber": 2,
			"jobDocument": object{"streamname": "v2", "files": []any{object{"fileid": 0, "filesize": len(c.image), "sha256": c.hash}}}}})
	case topic == "jobs/start-next":
		c.say(ctx, "jobs/start-next/accepted", object{"timestamp": 1})
	case topic == "jobs/v2/update":
		c.status = append(c.status, m.Status)
		c.queued = m.Status == "IN_PROGRESS"
		c.say(ctx, topic+"/accepted", object{"timestamp": 1})
	case topic == "streams/v2/get/json":
		c.gets++
		for i := m.O; i < m.O+m.N; i++ {
			if c.lose[i] {
				delete(c.lose, i) // the first time
				continue
			}
			c.say(ctx, "streams/v2/data/json", object{"f": 0, "l": m.L, "i": i, "p": c.image[i*m.L : min((i+1)*m.L, len(c.image))]})
		}
	}
}

// desire changes what is desired and announces it.
func (c *cloud) desire(ctx context.Context, key string, v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	c.desired[key] = v
	c.say(ctx, "shadow/update/delta", object{"version": c.version, "state": c.delta()})
}

// eventually waits until something holds of the cloud.
func (c *cloud) eventually(what string, holds func() bool) {
	c.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		c.mu.Lock()
		ok := holds()
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			c.t.Fatalf("%s: not within 20 s: %+v", what, c.status)
		}
	}
}

// running is a thing whose Run is under way.
func start(t *testing.T, addr string, conf thing.Config) (*thing.Thing, func()) {
	t.Helper()
	conf.Name = "press"
	conf.Dial = func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", addr) }
	conf.Pause, conf.Answer = 50*time.Millisecond, 300*time.Millisecond
	conf.Tell = func(e thing.Event) { t.Logf("%s %s", e.What, e.Detail) }
	th, err := thing.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var run sync.WaitGroup
	run.Go(func() { done <- th.Run(ctx) })
	end := sync.OnceFunc(func() {
		stop()
		run.Wait()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return th, end
}

// A thing takes over what was desired while it was away, and what is later.
func TestShadow(t *testing.T) {
	addr := mosquitto.Start(t).Addr
	c := startCloud(t, addr)
	c.desired["colour"] = "red"
	th, _ := start(t, addr, thing.Config{State: object{"colour": "blue", "net": object{"ssid": "a", "channel": 1.0}}})
	c.eventually("what was desired before", func() bool { return c.reported["colour"] == "red" })
	c.desire(t.Context(), "net", object{"channel": 6.0})
	c.eventually("what is desired later", func() bool {
		n, _ := c.reported["net"].(object)
		return n["channel"] == 6.0 && n["ssid"] == "a"
	})
	c.desire(t.Context(), "version", "9.9.9")
	c.desire(t.Context(), "colour", "green")
	c.eventually("the next", func() bool { return c.reported["colour"] == "green" })
	if th.Version() != "1.0.0" {
		t.Error("firmware changed by a shadow")
	}
}

// Birth is retained, a goodbye sends no will, a lost link does.
func TestBirthCommandsAndWill(t *testing.T) {
	for name, v5 := range map[string]bool{"3.1.1": false, "5": true} {
		t.Run(name, func(t *testing.T) {
			addr := mosquitto.Start(t).Addr
			var mu sync.Mutex
			var last net.Conn
			conf := thing.Config{Connect: packet.Connect{V5: v5}}
			conf.Name, conf.Pause = "press", time.Hour
			conf.Dial = func(ctx context.Context) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
				mu.Lock()
				defer mu.Unlock()
				last = conn
				return conn, err
			}
			th, err := thing.New(conf)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			var run sync.WaitGroup
			run.Go(func() { th.Run(ctx) })
			t.Cleanup(func() { stop(); run.Wait() })

			watch := dial(t, addr, "watch", v5, "d/press/#", "answers")
			next := func(topic, holds string) {
				t.Helper()
				limited, stop := context.WithTimeout(t.Context(), 10*time.Second)
				defer stop()
				for {
					m, err := watch.Next(limited)
					if err != nil {
						t.Fatalf("no %s with %s: %v", topic, holds, err)
					}
					if m.Topic == topic && strings.Contains(string(m.Payload), holds) {
						if topic == "answers" && string(m.Correlation) != "id-7" {
							t.Errorf("correlation %q", m.Correlation)
						}
						return
					}
				}
			}
			next("d/press/state", `"online":true`)
			for _, c := range []struct{ command, payload, holds string }{
				{"ping", `{"n":1}`, `"echo":{"n":1}`}, {"set", `{"colour":"red"}`, `"ok":true`}, {"set", `7`, `"ok":false`}, {"dance", ``, `unknown`}, {"reboot", ``, `"ok":true`},
			} {
				m := packet.Message{Topic: "cmd/press/" + c.command, Payload: []byte(c.payload), QoS: 1}
				answer := "d/press/reply/" + c.command
				if v5 {
					m.ResponseTopic, m.Correlation, answer = "answers", []byte("id-7"), "answers"
				}
				if err := watch.Publish(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				next(answer, c.holds)
			}
			next("d/press/state", `"online":true`) // again, and no will between
			if th.Reported()["colour"] != "red" {
				t.Errorf("%v", th.Reported())
			}
			late := dial(t, addr, "late", false, "d/press/state")
			if m, err := late.Next(t.Context()); err != nil || !m.Retain || !strings.Contains(string(m.Payload), `"online":true`) {
				t.Errorf("%+v %v", m, err)
			}
			mu.Lock()
			last.Close()
			mu.Unlock()
			next("d/press/state", `"online":false`)
		})
	}
}

func TestFirmware(t *testing.T) {
	image := make([]byte, 300_077)
	for i := range image {
		image[i] = byte(i * i >> 3)
	}
	sum := sha256.Sum256(image)
	good := hex.EncodeToString(sum[:])
	for name, c := range map[string]struct {
		hash    string
		broken  bool
		version string
		status  []string
	}{
		"comes":          {good, false, "v2", []string{"IN_PROGRESS", "SUCCEEDED"}},
		"does not start": {good, true, "1.0.0", []string{"IN_PROGRESS", "FAILED"}},
		"is not whole":   {strings.Repeat("00", 32), false, "1.0.0", []string{"FAILED"}},
	} {
		t.Run(name, func(t *testing.T) {
			addr := mosquitto.Start(t).Addr
			cl := startCloud(t, addr)
			cl.image, cl.hash = image, c.hash
			cl.lose[3], cl.lose[40] = true, true
			th, _ := start(t, addr, thing.Config{Broken: c.broken})
			cl.eventually("it reports", func() bool { return cl.reported["version"] == "1.0.0" })
			cl.mu.Lock()
			cl.queued = true
			cl.mu.Unlock()
			cl.say(t.Context(), "jobs/notify-next", object{"execution": object{"jobId": "v2", "status": "QUEUED"}})
			cl.eventually("the job ends", func() bool { return len(cl.status) == len(c.status) })
			cl.eventually("the version is reported", func() bool { return cl.reported["version"] == c.version })
			cl.mu.Lock()
			defer cl.mu.Unlock()
			if fmt.Sprint(cl.status) != fmt.Sprint(c.status) || th.Version() != c.version {
				t.Errorf("%v, version %s", cl.status, th.Version())
			}
			if len(cl.lose) != 0 || cl.gets < 7 {
				t.Errorf("%d requests, blocks that were not lost: %v", cl.gets, cl.lose)
			}
		})
	}
}
