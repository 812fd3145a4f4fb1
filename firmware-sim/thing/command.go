package thing

import (
	"context"
	"encoding/json"
	"maps"

	"headgate/firmware-sim/packet"
)

// reply is what a command is answered with.
type reply struct {
	Command string          `json:"command"`
	OK      bool            `json:"ok"`
	Error   string          `json:"error,omitempty"`
	Echo    json.RawMessage `json:"echo,omitempty"`
}

// command does a command of cmd/THING/NAME and answers on the message's
// response topic (MQTT 5), with its correlation data; without one, on
// d/THING/reply/NAME. It knows three: ping answers, set changes what is
// reported, reboot reconnects.
func (t *Thing) command(ctx context.Context, name string, m packet.Message) error {
	t.tell("command", name)
	r := reply{Command: name, OK: true}
	if json.Valid(m.Payload) {
		r.Echo = m.Payload
	}
	switch name {
	case "ping", "reboot":
	case "set":
		var change map[string]any
		if err := json.Unmarshal(m.Payload, &change); err != nil {
			r.OK, r.Error = false, "a JSON object is needed"
			break
		}
		t.mu.Lock()
		maps.Copy(t.reported, change)
		t.mu.Unlock()
		if err := t.report(ctx); err != nil {
			return err
		}
	default:
		r.OK, r.Error = false, "unknown command"
	}
	answer := packet.Message{Topic: m.ResponseTopic, QoS: 1, Correlation: m.Correlation}
	if answer.Topic == "" {
		answer.Topic = "d/" + t.conf.Name + "/reply/" + name
	}
	if err := t.say(ctx, answer, r); err != nil {
		return err
	}
	if name == "reboot" {
		return errRestart
	}
	return nil
}
