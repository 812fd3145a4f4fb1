package thing

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"

	"headgate/firmware-sim/packet"
)

// shadowMessage is a message of …/update/delta, where state is what differs,
// or of …/get/accepted, where it is within state.
type shadowMessage struct {
	Version int64                      `json:"version"`
	State   map[string]json.RawMessage `json:"state"`
}

// report tells the shadow what is reported now.
func (t *Thing) report(ctx context.Context) error {
	return t.say(ctx, packet.Message{Topic: t.aws("shadow/update"), QoS: 1}, map[string]any{"state": map[string]any{"reported": t.Reported()}})
}

// desire makes what is desired so and reports it. What is older than what was
// done already is left out: QoS 1 may bring it late.
func (t *Thing) desire(ctx context.Context, m packet.Message) error {
	var s shadowMessage
	if err := json.Unmarshal(m.Payload, &s); err != nil {
		return nil // nothing that could be done about it
	}
	delta := s.State
	if m.Topic == t.aws("shadow/get/accepted") {
		delta = nil
		_ = json.Unmarshal(s.State["delta"], &delta) // none: nothing differs
	}
	t.mu.Lock()
	if len(delta) == 0 || s.Version <= t.seen {
		t.mu.Unlock()
		return nil
	}
	t.seen = s.Version
	for key, raw := range delta {
		var value any
		if key == "version" || json.Unmarshal(raw, &value) != nil {
			continue // firmware changes by a job
		}
		merge(t.reported, key, value)
	}
	t.mu.Unlock()
	t.tell("shadow", "version "+strconv.FormatInt(s.Version, 10))
	return t.report(ctx)
}

// merge puts a value in its place; objects are merged, level by level.
func merge(into map[string]any, key string, value any) {
	object, ok := value.(map[string]any)
	old, was := into[key].(map[string]any)
	if !ok || !was {
		into[key] = value
		return
	}
	whole := maps.Clone(old)
	for k, v := range object {
		merge(whole, k, v)
	}
	into[key] = whole
}
