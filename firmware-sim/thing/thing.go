// Package thing is one simulated device as AWS IoT's device libraries make
// them: a last will and a retained birth, commands that are answered, a shadow,
// and firmware that comes as a job, block by block. It keeps its state over
// reconnects, and restarts, by a reconnect, to run new firmware.
package thing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"time"

	"headgate/firmware-sim/packet"
)

// Config says what thing to be. The zero value of each field but Name and Dial
// has a meaning.
type Config struct {
	Name    string // of the thing, and client id
	Dial    func(ctx context.Context) (net.Conn, error)
	Connect packet.Connect // what else it connects by; client id and will are set here
	Version string         // of its firmware; default 1.0.0
	State   map[string]any // what it reports at first
	Broken  bool           // new firmware does not start: the thing goes back to what it had, and says so
	NoJobs  bool           // it takes no new firmware, and does not ask for it
	Block   int            // bytes of a block of a file; default 4096
	Pause   time.Duration  // before it connects again after a loss; default 1 s
	Answer  time.Duration  // how long it waits for an answer of the gateway before it asks again; default 5 s
	Tell    func(Event)    // is told what happens, from Run; nil: nobody
}

// Event is something that happened to a thing.
type Event struct {
	What   string `json:"what"` // connected, lost, command, shadow, job, download, restart, done
	Detail string `json:"detail,omitempty"`
}

// Thing is one device. Make it with New; Run may run once.
type Thing struct {
	conf Config

	mu       sync.Mutex
	version  string
	reported map[string]any
	seen     int64 // version of the newest shadow that was acted upon

	conn    *packet.Conn // of Run and what it calls
	pending *update      // firmware that waits for the restart
}

// errRestart ends a connection on purpose.
var errRestart = errors.New("restart")

// New makes a thing; it connects in Run.
func New(conf Config) (*Thing, error) {
	if conf.Name == "" || conf.Dial == nil {
		return nil, errors.New("configuration: a thing needs a name and a way to connect")
	}
	if conf.Version == "" {
		conf.Version = "1.0.0"
	}
	if conf.Block == 0 {
		conf.Block = 4096
	}
	if conf.Pause == 0 {
		conf.Pause = time.Second
	}
	if conf.Answer == 0 {
		conf.Answer = 5 * time.Second
	}
	if conf.Tell == nil {
		conf.Tell = func(Event) {}
	}
	t := &Thing{conf: conf, version: conf.Version, reported: map[string]any{}}
	maps.Copy(t.reported, conf.State)
	t.reported["version"] = t.version
	return t, nil
}

// Reported is what the thing reports of itself now: a copy of the first level.
func (t *Thing) Reported() map[string]any {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.reported)
}

// Version is that of its firmware.
func (t *Thing) Version() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.version
}

// Run connects, again and again, until ctx ends. It answers an error only when
// the broker refuses the thing.
func (t *Thing) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := t.session(ctx)
		var refused packet.Refused
		switch {
		case errors.As(err, &refused):
			return err
		case errors.Is(err, errRestart):
			t.tell("restart", "")
			continue
		case ctx.Err() != nil:
			return nil
		}
		t.tell("lost", err.Error())
		timer := time.NewTimer(t.conf.Pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return nil
}

func (t *Thing) tell(what, detail string) { t.conf.Tell(Event{what, detail}) }

// session is one connection.
func (t *Thing) session(ctx context.Context) error {
	conn, err := t.conf.Dial(ctx)
	if err != nil {
		return err
	}
	c := t.conf.Connect
	c.ClientID, c.Will = t.conf.Name, &packet.Message{Topic: t.topicOfState(), Payload: []byte(`{"online":false}`), QoS: 1, Retain: true}
	if t.conn, err = packet.Open(ctx, conn, c); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var reader sync.WaitGroup
	reader.Go(func() { _ = t.conn.Run(ctx) }) // how it ended, Next and Publish say
	err = t.serve(ctx)
	if errors.Is(err, errRestart) || errors.Is(err, context.Canceled) {
		_ = t.conn.Close() // a goodbye, so that no will is sent
	}
	stop()
	reader.Wait()
	return err
}

func (t *Thing) topicOfState() string { return "d/" + t.conf.Name + "/state" }

// serve says that the thing is there and does what comes in.
func (t *Thing) serve(ctx context.Context) error {
	if err := t.conn.Subscribe(ctx, t.filters()...); err != nil {
		return err
	}
	t.tell("connected", t.Version())
	if err := t.finish(ctx); err != nil { // firmware that it has just started
		return err
	}
	birth := map[string]any{"online": true, "version": t.Version()}
	if err := t.say(ctx, packet.Message{Topic: t.topicOfState(), QoS: 1, Retain: true}, birth); err != nil {
		return err
	}
	if err := t.report(ctx); err != nil {
		return err
	}
	if err := t.say(ctx, packet.Message{Topic: t.aws("shadow/get"), QoS: 1}, map[string]any{}); err != nil {
		return err
	}
	if !t.conf.NoJobs {
		if err := t.startNext(ctx); err != nil {
			return err
		}
	}
	for {
		m, err := t.conn.Next(ctx)
		if err == nil {
			err = t.take(ctx, m)
		}
		if err != nil {
			return err
		}
	}
}

func (t *Thing) filters() []string {
	all := []string{"cmd/" + t.conf.Name + "/#", t.aws("shadow/update/delta"), t.aws("shadow/get/accepted")}
	if t.conf.NoJobs {
		return all
	}
	return append(all, t.aws("jobs/notify-next"), t.aws("jobs/start-next/accepted"), t.aws("jobs/+/update/accepted"), t.aws("jobs/+/update/rejected"),
		t.aws("streams/+/data/json"), t.aws("streams/+/rejected/json"))
}

func (t *Thing) aws(rest string) string { return "$aws/things/" + t.conf.Name + "/" + rest }

// take does what a message asks for.
func (t *Thing) take(ctx context.Context, m packet.Message) error {
	switch m.Topic {
	case t.aws("shadow/update/delta"), t.aws("shadow/get/accepted"):
		return t.desire(ctx, m)
	case t.aws("jobs/notify-next"):
		return t.startNext(ctx)
	case t.aws("jobs/start-next/accepted"):
		return t.start(ctx, m.Payload)
	}
	if rest, ok := bytes.CutPrefix([]byte(m.Topic), []byte("cmd/"+t.conf.Name+"/")); ok {
		return t.command(ctx, string(rest), m)
	}
	return nil // an answer that came late
}

// say publishes a value as JSON.
func (t *Thing) say(ctx context.Context, m packet.Message, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", m.Topic, err)
	}
	m.Payload = text
	return t.conn.Publish(ctx, m)
}
