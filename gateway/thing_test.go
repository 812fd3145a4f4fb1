package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/firmware-sim/packet"
	"headgate/firmware-sim/thing"
	"headgate/gateway"
	"headgate/ingest/jobs"
)

// TestThingAtTheGateway: a simulated device takes over what its shadow desires,
// before and after it connected, and answers a command.
func TestThingAtTheGateway(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	g, _ := start(t, data, func(c *gateway.Config) { c.Open = true })
	socket := gateway.Dial(data)
	desire := func(state string) {
		t.Helper()
		if _, err := socket.UpdateShadow(t.Context(), "lamp", "", json.RawMessage(`{"state":{"desired":`+state+`}}`)); err != nil {
			t.Fatal(err)
		}
	}
	desire(`{"colour":"red"}`)
	dial := func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", g.Addresses().MQTT)
	}
	lamp, err := thing.New(thing.Config{Name: "lamp", Dial: dial, State: map[string]any{"colour": "blue"}, NoJobs: true,
		Connect: packet.Connect{V5: true, KeepAlive: 60}, Tell: func(e thing.Event) { t.Log(e.What, e.Detail) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := lamp.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); all.Wait() })
	reported := func(want string) {
		t.Helper()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.After(20 * time.Second); ; {
			shadow, err := socket.Shadow(t.Context(), "lamp", "")
			if err == nil && strings.Contains(string(shadow), want) && !strings.Contains(string(shadow), `"delta"`) {
				return
			}
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("no %s in %s, %v", want, shadow, err)
			}
		}
	}
	reported(`"reported":{"colour":"red"`)
	desire(`{"colour":"green"}`)
	reported(`"reported":{"colour":"green"`)

	raw, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	app, err := packet.Open(t.Context(), raw, packet.Connect{ClientID: "app", Clean: true, V5: true})
	if err != nil {
		t.Fatal(err)
	}
	all.Go(func() { _ = app.Run(ctx) })
	if err := app.Subscribe(t.Context(), "cmd/app/answers", "d/lamp/#"); err != nil {
		t.Fatal(err)
	}
	if err := app.Publish(t.Context(), packet.Message{Topic: "cmd/lamp/ping", QoS: 1, Payload: []byte(`{"n":1}`), ResponseTopic: "cmd/app/answers", Correlation: []byte("7")}); err != nil {
		t.Fatal(err)
	}
	wait, end := context.WithTimeout(t.Context(), 20*time.Second)
	defer end()
	for {
		m, err := app.Next(wait)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(m.Payload), `"command":"ping","ok":true`) {
			if m.Topic != "cmd/app/answers" {
				t.Errorf("answered on %s", m.Topic)
			}
			return
		}
	}
}

// TestThingsTakeNewFirmware: by jobs and file delivery, over MQTT 3.1.1 and 5;
// one whose firmware does not start says so and goes back.
func TestThingsTakeNewFirmware(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	g, _ := start(t, data, func(c *gateway.Config) { c.Open = true })
	socket := gateway.Dial(data)
	image := bytes.Repeat([]byte("firmware "), 20000)
	file, err := socket.PutJobFile(t.Context(), bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"good": "SUCCEEDED", "broken": "FAILED"} {
		if _, err := socket.CreateJob(t.Context(), gateway.JobOrder{Order: jobs.Order{Name: "fw-" + name, Things: []string{name}, File: file.SHA256}}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		one, err := thing.New(thing.Config{Name: name, Broken: name == "broken", Pause: 10 * time.Millisecond,
			Dial: func(ctx context.Context) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", g.Addresses().MQTT)
			},
			Connect: packet.Connect{V5: name == "good", KeepAlive: 60}, Tell: func(e thing.Event) {
				if t.Log(name, e.What, e.Detail); e.What == "done" {
					stop()
				}
			}})
		if err != nil {
			t.Fatal(err)
		}
		if err := one.Run(ctx); err != nil {
			t.Fatal(err)
		}
		until(t, 20*time.Second, "the job tells of it", func() (string, bool) {
			job, err := socket.Job(t.Context(), "fw-"+name)
			text := fmt.Sprintf("%+v, %v", job, err)
			return text, strings.Contains(text, want)
		})
	}
}
