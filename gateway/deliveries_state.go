package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"headgate/shardlog"
)

// deliverySpace holds the specs of the stored deliveries: key name, value a
// JSON storedDelivery.
const deliverySpace shardlog.Space = "deliveries"

// storedDelivery is a delivery as the site agrees on it. It holds references
// to secrets and no secret.
type storedDelivery struct {
	Document string              `json:"document"`           // a DeliveryConfig, as it was written
	Own      shardlog.StreamName `json:"own,omitempty"`      // its stream, when that is its own and goes with it
	Deleting bool                `json:"deleting,omitempty"` // the leader does away with it
	Created  time.Time           `json:"created"`
	Updated  time.Time           `json:"updated,omitzero"`
	Note     json.RawMessage     `json:"note,omitempty"`    // what the Firehose API keeps with it
	Channel  json.RawMessage     `json:"channel,omitempty"` // what the Kinesis API keeps with a channel

	version shardlog.Version // as get found it
}

func noDelivery(name string) error {
	return shardlog.Errorf(shardlog.NotFound, "find delivery", "there is no delivery %s", name)
}

// fixedFault is the answer to who would change a delivery of the file.
func fixedFault(op, name string) error {
	return shardlog.Errorf(shardlog.Invalid, op, "%s stands in the configuration file: change it there and restart the gateway", name)
}

// get finds a stored delivery. Kinds: NotFound, those of States.
func (m *deliveries) get(ctx context.Context, name string) (s storedDelivery, err error) {
	b, v, err := m.states.Get(ctx, deliverySpace, name)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return s, noDelivery(name)
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, shardlog.Errorf(shardlog.Corrupt, "read delivery", "%s: %w", name, err)
	}
	s.version = v
	return s, nil
}

// list is all stored deliveries by name. Its only error is ctx's.
func (m *deliveries) list(ctx context.Context) (map[string]storedDelivery, error) {
	all := map[string]storedDelivery{}
	for name, b := range m.states.List(ctx, deliverySpace, "") {
		var s storedDelivery
		if err := json.Unmarshal(b, &s); err != nil {
			m.log.Error("delivery cannot be read", "name", name, "error", err)
			continue
		}
		all[name] = s
	}
	return all, ctx.Err()
}

// maxDeliveries bounds what one box has to run.
const maxDeliveries = 200

// create stores a new delivery, with a stream of its own if s names one, after
// a look whether it could be opened here. Kinds: Invalid, InUse,
// LimitExceeded, those of Control and States.
func (m *deliveries) create(ctx context.Context, s storedDelivery) (*DeliveryConfig, error) {
	c, err := m.admit(s)
	if err != nil {
		return nil, err
	}
	if m.isFixed(c.Name) {
		return nil, shardlog.Errorf(shardlog.InUse, "create delivery", "the configuration file has a delivery %s", c.Name)
	}
	if was, err := m.get(ctx, c.Name); err == nil {
		return nil, already(c.Name, was)
	} else if shardlog.KindOf(err) != shardlog.NotFound {
		return nil, err
	}
	if all, err := m.list(ctx); err != nil {
		return nil, err
	} else if len(all) >= maxDeliveries {
		return nil, shardlog.Errorf(shardlog.LimitExceeded, "create delivery", "there are %d deliveries, the most that a site may have", len(all))
	}
	if s.Own != "" {
		err := m.control.CreateStream(ctx, shardlog.StreamSpec{Name: s.Own})
		if err != nil && shardlog.KindOf(err) != shardlog.InUse { // left over from a Create that was cut short
			return nil, err
		}
	}
	err = m.save(ctx, c.Name, s, shardlog.Absent())
	if err != nil && shardlog.KindOf(err) == shardlog.Conflict {
		return nil, already(c.Name, s)
	}
	return c, err
}

func already(name string, s storedDelivery) error {
	if s.Deleting {
		return shardlog.Errorf(shardlog.InUse, "create delivery", "%s is being deleted", name)
	}
	return shardlog.Errorf(shardlog.InUse, "create delivery", "there is a delivery %s already", name)
}

// parse reads what a stored delivery says. In one that came over the network
// secrets are confined to this gateway's folder for them.
func (m *deliveries) parse(name string, s storedDelivery) (*DeliveryConfig, error) {
	c, err := parseDelivery(strings.TrimSpace("delivery "+name), s.Document)
	if err != nil || s.Note == nil && s.Channel == nil {
		return c, err
	}
	for _, one := range c.sinks()[0].secrets() {
		if err := one.confine(m.config.Data); err != nil {
			return nil, shardlog.Errorf(shardlog.Invalid, "read delivery", "%w", err)
		}
	}
	return c, nil
}

// admit reads a delivery and tries to open what it names.
func (m *deliveries) admit(s storedDelivery) (*DeliveryConfig, error) {
	c, err := m.parse("", s)
	if err != nil {
		return nil, err
	}
	_, sink, err := m.open(c)
	if err != nil {
		return nil, err
	}
	return c, sink.Close()
}

// update replaces a delivery that get found, after a look whether it could be
// opened here. Kinds: Invalid, InUse, Conflict when it changed since, those of
// States.
func (m *deliveries) update(ctx context.Context, name string, s storedDelivery) error {
	if s.Deleting {
		return shardlog.Errorf(shardlog.InUse, "update delivery", "%s is being deleted", name)
	}
	if _, err := m.admit(s); err != nil {
		return err
	}
	return m.save(ctx, name, s, shardlog.At(s.version))
}

// remove has the leader do away with a delivery. Kinds: NotFound, Invalid of
// one of the file, those of States.
func (m *deliveries) remove(ctx context.Context, name string) error {
	if m.isFixed(name) {
		return fixedFault("delete delivery", name)
	}
	for {
		s, err := m.get(ctx, name)
		if err != nil || s.Deleting {
			return err
		}
		s.Deleting = true
		err = m.save(ctx, name, s, shardlog.At(s.version))
		if err == nil || shardlog.KindOf(err) != shardlog.Conflict {
			return err
		}
	}
}

func (m *deliveries) save(ctx context.Context, name string, s storedDelivery, expect shardlog.Expect) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keep delivery: %w", err)
	}
	if len(b) > shardlog.MaxStateValue {
		return shardlog.Errorf(shardlog.Invalid, "keep delivery", "its description has %d bytes, %d are allowed", len(b), shardlog.MaxStateValue)
	}
	err = m.states.Mutate(ctx, shardlog.Mutation{Space: deliverySpace, Key: name, Value: b, Expect: expect})
	m.changed()
	return err
}
