package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"headgate/deploy/bench/internal/child"
)

// broker is somebody who takes publishes.
type broker struct {
	name string
	// subscriber says that the broker keeps messages only for somebody who
	// subscribed: then a subscriber who is away wants all of them.
	subscriber bool
	start      func(s settings, folder string) (pid int, address string, stop func(), err error)
}

// brokers are all that are compared; the first is ours.
var brokers = []broker{
	{"headgate", false, startHeadgate},
	{"nats sync always", true, startNATS},
	{"mosquitto", true, mosquitto("")},
	{"mosquitto autosave", true, mosquitto("autosave_on_changes true\nautosave_interval 1\n")},
	{"mochi, memory", true, startMochi},
}

func startHeadgate(s settings, folder string) (int, string, func(), error) {
	c := child.HeadgateConfig{Binary: s.headgate, Folder: folder, Shards: 16, MQTT: true, Extra: []string{"--profile", s.profile}}
	if s.rate > 0 {
		c.Settings = fmt.Sprintf("devices: {limits: {messages_per_second: %d}}\n", s.rate)
	}
	h, err := child.StartHeadgate(c)
	if err != nil {
		return 0, "", nil, err
	}
	return h.Pid, h.MQTT, h.Stop, nil
}

func startNATS(s settings, folder string) (int, string, func(), error) {
	address, err := child.FreeAddress()
	if err != nil {
		return 0, "", nil, err
	}
	return started(address)(child.Start("ready", s.nats, "mqtt", "--dir", folder, "--addr", address))
}

func startMochi(s settings, folder string) (int, string, func(), error) {
	address, err := child.FreeAddress()
	if err != nil {
		return 0, "", nil, err
	}
	return started(address)(child.Start("", s.mochi, address))
}

// mosquitto keeps its messages in memory and saves all of them: every half
// hour unless told otherwise, with autosave after each change. It answers
// before it saves in both cases.
func mosquitto(more string) func(settings, string) (int, string, func(), error) {
	return func(s settings, folder string) (int, string, func(), error) {
		address, err := child.FreeAddress()
		if err != nil {
			return 0, "", nil, err
		}
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return 0, "", nil, fmt.Errorf("read address: %w", err)
		}
		file := filepath.Join(folder, "mosquitto.conf")
		text := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\nuser root\nset_tcp_nodelay true\npersistence true\n"+
			"persistence_location %s/\nmax_queued_messages 0\nmax_queued_bytes 0\nmax_inflight_messages 0\n%s", port, folder, more)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return 0, "", nil, fmt.Errorf("write configuration: %w", err)
		}
		return started(address)(child.Start("", s.mosquitto, "-c", file))
	}
}

// started waits until the child listens.
func started(address string) func(*child.Process, error) (int, string, func(), error) {
	return func(p *child.Process, err error) (int, string, func(), error) {
		if err != nil {
			return 0, "", nil, err
		}
		if err := child.Listening(address); err != nil {
			p.Stop()
			return 0, "", nil, err
		}
		return p.Pid, address, p.Stop, nil
	}
}
