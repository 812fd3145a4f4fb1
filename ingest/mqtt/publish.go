package mqtt

import (
	"errors"
	"slices"
	"strings"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/shardlog"
)

// onPublish takes a PUBLISH in. What it returns is for the broker library:
// nothing, unless the packet is one that ends the connection.
func (c *conn) onPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.PublishValidate(maxAliases) != packets.CodeSuccess {
		return pk, nil // the library finds the same and disconnects
	}
	if pk.Properties.TopicAliasFlag {
		pk.TopicName = cl.State.TopicAliases.Inbound.Set(pk.Properties.TopicAlias, strings.Clone(pk.TopicName))
		pk.Properties.TopicAlias, pk.Properties.TopicAliasFlag = 0, false
		if pk.TopicName == "" {
			return pk, nil // an alias that was never set: the library disconnects
		}
	}
	c.server.stats.received.Add(1)
	m := &message{conn: c, at: time.Now(), id: pk.PacketID, qos: pk.FixedHeader.Qos, dup: pk.FixedHeader.Dup}
	if v := c.address(cl, &pk, m); v != stored {
		if m.qos == 0 {
			c.server.stats.refuse(v.reason())
			return nothing(), nil
		}
		c.server.refuse(m, v)
	} else if m.qos == 2 && c.exactly(m) {
		c.server.stats.duplicates.Add(1)
		m.settle(stored)
	}
	if err := c.admit(m); err != nil {
		if errors.Is(err, errStalled) {
			c.server.cfg.Log.Warn("disconnect", "client", cl.ID, "error", err)
			_ = c.server.broker.DisconnectClient(cl, packets.ErrQuotaExceeded) // ends the connection either way
		}
		return pk, packets.ErrRejectPacket
	}
	if _, done := m.verdict(); done {
		c.wake()
	} else {
		m.target.add(m)
	}
	return nothing(), nil
}

// address makes the entry and finds its stream.
func (c *conn) address(cl *mochi.Client, pk *packets.Packet, m *message) verdict {
	if !publishable(pk.TopicName) {
		return badTopic
	}
	if strings.HasPrefix(pk.TopicName, "$") || c.guard != nil && !c.guard.Publish(pk.TopicName) {
		return denied
	}
	target, err := c.server.cfg.Routes.Find(ingest.Source{
		Topic: pk.TopicName, ClientID: cl.ID, Username: string(cl.Properties.Username),
	})
	if err != nil {
		v, _ := judge(err)
		return v
	}
	meta := metaOf(pk)
	if target.Key != cl.ID {
		meta.Client = cl.ID
	}
	m.entry = shardlog.Entry{Key: strings.Clone(target.Key), Data: pk.Payload, Meta: meta.Append(nil)}
	if m.entry.Size() > c.server.cfg.MaxPayload || len(m.entry.Meta) > maxMeta {
		return badPayload
	}
	m.target = c.server.committers[target.Stream]
	if pk.FixedHeader.Retain {
		m.retain = c.server.retain(pk.TopicName, pk.Payload, m.entry.Meta, m.at)
	}
	return stored
}

// publishable reports whether the topic may be published to as far as its
// form goes. An empty one never reaches the log.
func publishable(topic string) bool {
	return topic != "" && len(topic) <= maxTopic && !strings.ContainsAny(topic, "+#")
}

// metaOf is what is kept of a PUBLISH beside its payload.
func metaOf(pk *packets.Packet) Meta {
	m := Meta{
		Expiry: pk.Properties.MessageExpiryInterval,
		Topic:  pk.TopicName, QoS: pk.FixedHeader.Qos, Retain: pk.FixedHeader.Retain, Dup: pk.FixedHeader.Dup,
		Text: pk.Properties.PayloadFormatFlag && pk.Properties.PayloadFormat == 1, ContentType: pk.Properties.ContentType,
		ResponseTopic: pk.Properties.ResponseTopic, Correlation: pk.Properties.CorrelationData,
	}
	for _, u := range pk.Properties.User {
		m.User = append(m.User, Property{Name: u.Key, Value: u.Val})
	}
	return m
}

// exactly readies a QoS 2 message; true: its record is stored already.
func (c *conn) exactly(m *message) (duplicate bool) {
	s := c.quality()
	if s == nil {
		s = c.server.sessions.attach(strings.Clone(c.client.Load().ID))
		c.use(s)
	}
	duplicate, fresh, full := s.arrive(m.id, m.dup)
	m.session, m.fresh, m.token = s, fresh, newToken()
	if full {
		c.server.refuse(m, quota)
		return false
	}
	return duplicate
}

// onPubrel ends a QoS 2 flow: PUBCOMP comes when the id is removed. A device
// that did not wait for PUBREC is disconnected; otherwise the id would stay
// taken, and the next message under it be mistaken for a copy.
func (c *conn) onPubrel(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	known, begun := false, false
	s := c.quality()
	if s != nil {
		known, begun = s.release(pk.PacketID)
	}
	switch {
	case begun:
		c.server.releaser.add(release{conn: c, session: s, id: pk.PacketID})
	case !known && c.awaits(pk.PacketID):
		_ = c.server.broker.DisconnectClient(cl, packets.ErrProtocolViolation) // the connection ends either way
		return pk, packets.ErrRejectPacket
	case !known:
		c.complete(pk.PacketID, notFound)
	}
	return nothing(), nil
}

// awaits reports whether a QoS 2 message with this id waits for the log.
func (c *conn) awaits(id uint16) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.fifo, func(m *message) bool { return m.qos == 2 && m.id == id })
}

// notFound is the reason code of a PUBCOMP for an id that is not known.
const notFound = 0x92

// onWill stores a will as a record. Nobody waits for an answer.
func (c *conn) onWill(cl *mochi.Client, pk packets.Packet) {
	m := &message{conn: c, at: time.Now()}
	pk.FixedHeader.Dup = false
	c.server.stats.received.Add(1)
	if v := c.address(cl, &pk, m); v != stored {
		c.server.stats.refuse(v.reason())
		return
	}
	meta := metaOf(&pk)
	meta.Will = true
	if m.entry.Key != cl.ID {
		meta.Client = cl.ID
	}
	m.entry.Meta = meta.Append(nil)
	c.force(m)
	m.target.add(m)
}

// quality is the connection's QoS 2 session, nil when it has none yet.
func (c *conn) quality() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// use sets the connection's QoS 2 session.
func (c *conn) use(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
}
