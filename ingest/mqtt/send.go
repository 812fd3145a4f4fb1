package mqtt

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/ingest/downlink"
	"headgate/shardlog"
)

// record is what a subscriber is sent of a record.
type record struct {
	payload []byte
	meta    Meta
	arrived time.Time
	place   []Property // of a stream that is sent as a whole: user properties that say where it lies
}

// readRecord makes a message for subscribers of a record; false: it is none, or
// not for them.
func (s *Server) readRecord(r shardlog.Record) (m downlink.Message, ok bool) {
	meta, err := DecodeMeta(r.Meta)
	if err != nil && s.cfg.Foreign != nil {
		if meta, ok = s.cfg.Foreign(r.Meta); ok {
			err = nil
		}
	}
	if err != nil || meta.Topic == "" || meta.RecordOnly {
		return m, false
	}
	if _, _, basic := ingest.BasicIngest(meta.Topic); basic {
		return m, false // AWS's Basic Ingest is for rules alone
	}
	if meta.Client == "" {
		meta.Client = r.Key
	}
	at := r.Arrived
	if !r.Origin.IsZero() {
		at = r.Origin
	}
	m = downlink.Message{Topic: meta.Topic, Client: meta.Client, QoS: meta.QoS, Retain: meta.Retain, Body: &record{payload: r.Data, meta: meta, arrived: at}, Size: len(r.Data) + len(meta.Topic) + 64}
	if meta.Expiry > 0 {
		m.Expires = at.Add(time.Duration(meta.Expiry) * time.Second)
	}
	return m, true
}

// wake has what the inbox holds sent to the device.
func (d *device) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ready || d.ended {
		return
	}
	if d.more = d.sending; d.sending {
		return
	}
	d.sending = true
	d.conn.server.pumps.Go(d.send)
}

// open lets messages go: CONNACK, or SUBACK, is out.
func (d *device) open() {
	d.mu.Lock()
	d.ready = true
	d.mu.Unlock()
	d.wake()
}

// send sends until there is nothing to send, or the device has to answer first.
func (d *device) send() {
	var b bytes.Buffer
	for {
		b.Reset()
		d.exact = false
		n := d.resend(&b) + d.sendReleases(&b) + d.sendRetained(&b) + d.sendNew(&b)
		secure := d.secure()
		if secure {
			d.write(b.Bytes())
		}
		d.mu.Lock()
		if n == 0 && !d.more || d.ended || !secure || !d.ready {
			d.sending = false
			d.mu.Unlock()
			return
		}
		d.more = false
		d.mu.Unlock()
	}
}

// resend sends again what the device did not answer over an earlier
// connection, in order, under the ids of then (MQTT 5.0, 4.4).
func (d *device) resend(b *bytes.Buffer) int {
	d.mu.Lock()
	all := d.again
	d.again = nil
	for _, one := range all {
		d.out = append(d.out, sent{one.ID, one.Place, one.Received})
	}
	d.mu.Unlock()
	for _, one := range all {
		d.exact = true // if it is not of QoS 2, that costs a write once
		if one.Received {
			d.pubrel(b, one.ID, 0)
			continue
		}
		m, ok, err := d.conn.server.follower.Fetch(context.Background(), d.inbox, one.Place)
		if err != nil { // it is not lost: the device comes back for it
			d.conn.server.cfg.Log.Warn("read for a subscriber", "client", d.client, "error", err)
			_ = d.conn.Close()
			return 0
		}
		if !ok || m.QoS == 0 || !d.publish(b, m.Message, m, one.ID, m.QoS, true) {
			d.settle(one.ID)
		}
	}
	return len(all)
}

// sendRetained sends retained messages that a subscription asked for.
func (d *device) sendRetained(b *bytes.Buffer) (n int) {
	for {
		d.mu.Lock()
		if len(d.retained) == 0 || n >= d.window || len(d.out) >= d.window {
			d.mu.Unlock()
			return n
		}
		one := d.retained[0]
		d.retained = d.retained[1:]
		d.mu.Unlock()
		n++
		ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
		value, _, err := d.conn.server.cfg.States.Get(ctx, retainedSpace, one.topic)
		cancel()
		if err != nil {
			if shardlog.KindOf(err) != shardlog.NotFound { // else it is gone
				d.conn.server.cfg.Log.Warn("read retained message", "topic", one.topic, "error", err)
			}
			continue
		}
		r, err := decodeRetained(value)
		if err != nil {
			d.conn.server.cfg.Log.Warn("read retained message", "topic", one.topic, "error", err)
			continue
		}
		m := &downlink.Message{Topic: one.topic, QoS: r.meta.QoS, Retain: true, Body: r}
		if r.meta.Expiry > 0 {
			m.Expires = r.arrived.Add(time.Duration(r.meta.Expiry) * time.Second)
		}
		delivery := downlink.Delivery{Message: m, QoS: min(m.QoS, one.sub.QoS), AsRetained: true}
		if one.sub.Identifier > 0 {
			delivery.Identifiers = []uint32{one.sub.Identifier}
		}
		d.deliver(b, delivery)
	}
}

// sendNew sends what is new, as far as the device's window goes.
func (d *device) sendNew(b *bytes.Buffer) int {
	d.mu.Lock()
	room := d.window - len(d.out)
	d.mu.Unlock()
	if room <= 0 {
		return 0
	}
	all := d.inbox.Take(room)
	for _, one := range all {
		d.deliver(b, one)
	}
	return len(all)
}

// deliver sends one message; what has expired, or is too large for the device,
// is done with (MQTT 5.0, 3.3.2.3.3, 3.1.2.11.4).
func (d *device) deliver(b *bytes.Buffer, one downlink.Delivery) {
	id := uint16(0)
	if one.QoS > 0 {
		id = d.take(one.Place())
		d.exact = d.exact || one.QoS == 2
	}
	expired := !one.Expires.IsZero() && !d.conn.server.now().Before(one.Expires)
	refused := d.conn.guard != nil && !d.conn.guard.Receive(one.Topic)
	if expired || refused || !d.publish(b, one.Message, one, id, one.QoS, false) {
		if one.QoS > 0 {
			d.settle(id)
		}
		return
	}
	d.conn.server.stats.sent.Add(1)
}

// take gives a message a packet id that is not in use.
func (d *device) take(p downlink.Place) uint16 {
	d.mu.Lock()
	defer d.mu.Unlock()
	for used := true; used; {
		if d.nextID++; d.nextID == 0 {
			d.nextID = 1
		}
		used = false
		for _, one := range d.out {
			used = used || one.id == d.nextID
		}
	}
	d.out = append(d.out, sent{id: d.nextID, place: p})
	return d.nextID
}

// settle is done with a message that was sent, or could not be; false: no such
// id waits. The inbox knows first: what is kept of the session meanwhile has the
// message in one of the two.
func (d *device) settle(id uint16) bool {
	d.mu.Lock()
	i := slices.IndexFunc(d.out, func(one sent) bool { return one.id == id })
	if i < 0 {
		d.mu.Unlock()
		return false
	}
	place := d.out[i].place
	d.mu.Unlock()
	if place != (downlink.Place{}) {
		d.inbox.Done(place)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out = slices.DeleteFunc(d.out, func(one sent) bool { return one.id == id })
	return true
}

// publish appends a PUBLISH.
func (d *device) publish(b *bytes.Buffer, m *downlink.Message, by downlink.Delivery, id uint16, qos byte, dup bool) bool {
	r, ok := m.Body.(*record)
	if !ok {
		return false
	}
	pk := packets.Packet{ProtocolVersion: d.version(), FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos, Dup: dup, Retain: m.Retain && by.AsRetained},
		TopicName: m.Topic, Payload: r.payload, PacketID: id}
	if pk.ProtocolVersion >= 5 {
		pk.Mods.AllowResponseInfo = true // else the codec keeps the response topic and the correlation to itself
		p := &pk.Properties
		p.ContentType, p.ResponseTopic, p.CorrelationData = r.meta.ContentType, r.meta.ResponseTopic, r.meta.Correlation
		if r.meta.Text {
			p.PayloadFormat, p.PayloadFormatFlag = 1, true
		}
		for _, u := range slices.Concat(r.place, r.meta.User) {
			p.User = append(p.User, packets.UserProperty{Key: u.Name, Val: u.Value})
		}
		for _, n := range by.Identifiers {
			p.SubscriptionIdentifier = append(p.SubscriptionIdentifier, int(n))
		}
		if !m.Expires.IsZero() {
			p.MessageExpiryInterval = uint32(max(1, m.Expires.Sub(d.conn.server.now())/time.Second))
		}
	}
	return d.encoded(b, &pk, (*packets.Packet).PublishEncode)
}

func (d *device) pubrel(b *bytes.Buffer, id uint16, code byte) {
	pk := packets.Packet{ProtocolVersion: d.version(), FixedHeader: packets.FixedHeader{Type: packets.Pubrel, Qos: 1}, PacketID: id, ReasonCode: code}
	d.encoded(b, &pk, (*packets.Packet).PubrelEncode)
}

// answered takes a PUBACK, PUBREC or PUBCOMP of the device.
func (d *device) answered(pk *packets.Packet) {
	switch pk.FixedHeader.Type {
	case packets.Puback, packets.Pubcomp:
		d.settle(pk.PacketID)
	case packets.Pubrec:
		if pk.ReasonCode >= packets.ErrUnspecifiedError.Code { // the device refuses it
			d.settle(pk.PacketID)
			break
		}
		if d.release(pk.PacketID) {
			break
		}
		var b bytes.Buffer
		code := byte(0)
		if d.version() >= 5 {
			code = notFound
		}
		d.pubrel(&b, pk.PacketID, code)
		d.write(b.Bytes())
		return
	}
	d.wake()
}
