package mqtt

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/shardlog"
)

// onPublish takes a PUBLISH in. An error ends the connection.
func (c *conn) onPublish(pk *packets.Packet) error {
	if code := pk.PublishValidate(maxAliases); code != packets.CodeSuccess {
		return code
	}
	if pk.Properties.TopicAliasFlag && !c.unalias(pk) {
		return packets.ErrProtocolViolation // MQTT 5.0, 3.3.4
	}
	c.server.stats.received.Add(1)
	c.heard.note(len(pk.Payload) + len(pk.TopicName))
	if err := c.pace(len(pk.Payload) + len(pk.TopicName)); err != nil {
		return c.stalled(err)
	}
	m := &message{conn: c, at: time.Now(), id: pk.PacketID, qos: pk.FixedHeader.Qos, dup: pk.FixedHeader.Dup}
	if v := c.address(pk, m); v != stored {
		if m.qos == 0 {
			c.server.stats.refuse(v.reason())
			return nil
		}
		c.server.refuse(m, v)
	} else if m.qos == 2 && c.exactly(m) {
		c.server.stats.duplicates.Add(1)
		m.settle(stored)
	}
	if err := c.admit(m); err != nil {
		return c.stalled(err)
	}
	if _, done := m.verdict(); done {
		c.wake()
	} else {
		m.target.add(m)
	}
	return nil
}

// stalled is what ends a connection that waited in vain.
func (c *conn) stalled(err error) error {
	if errors.Is(err, errStalled) {
		c.server.cfg.Log.Warn("disconnect", "client", c.name(), "error", err)
		return packets.ErrQuotaExceeded
	}
	return err
}

// unalias puts a topic in the place of its alias; false: that was never set.
func (c *conn) unalias(pk *packets.Packet) bool {
	alias := pk.Properties.TopicAlias
	pk.Properties.TopicAlias, pk.Properties.TopicAliasFlag = 0, false
	if pk.TopicName == "" {
		topic, set := c.aliases[alias]
		pk.TopicName = topic
		return set
	}
	if c.aliases == nil {
		c.aliases = map[uint16]string{}
	}
	c.aliases[alias] = strings.Clone(pk.TopicName)
	return true
}

// address makes the entry and finds its stream.
func (c *conn) address(pk *packets.Packet, m *message) verdict {
	p := c.peer.Load()
	if !publishable(pk.TopicName) {
		return badTopic
	}
	topic := pk.TopicName
	_, rest, basic := ingest.BasicIngest(topic)
	if basic {
		topic = rest
	}
	switch {
	case c.guard != nil && !c.guard.Publish(topic):
		return denied
	case strings.HasPrefix(topic, reserved) && !basic:
		return c.ask(p, pk, m)
	case strings.HasPrefix(topic, "$"):
		return denied
	}
	meta := metaOf(pk)
	target, err := c.server.cfg.Routes.Find(ingest.Source{
		Topic: topic, ClientID: p.id, Username: p.username,
		Payload: pk.Payload, QoS: meta.QoS, User: meta.User,
	})
	if err != nil {
		v, _ := judge(err)
		return v
	}
	meta.Will, meta.RecordOnly = m.will, target.RecordOnly
	if target.Key != p.id {
		meta.Client = p.id
	}
	m.entry = shardlog.Entry{Key: strings.Clone(target.Key), Data: pk.Payload, Meta: meta.Append(nil)}
	if m.entry.Size() > c.server.cfg.MaxPayload || len(m.entry.Meta) > maxMeta {
		return badPayload
	}
	m.target = c.server.committers.of(target.Stream)
	if pk.FixedHeader.Retain && !basic && !target.RecordOnly {
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
		s = c.server.sessions.attach(c.name())
		c.use(s)
	}
	duplicate, fresh, full := s.arrive(m.id, m.dup)
	m.session, m.fresh, m.token = s, fresh, newToken()
	if full {
		c.server.refuse(m, overQuota)
		return false
	}
	return duplicate
}

// onPubrel ends a QoS 2 flow: PUBCOMP comes when the id is removed. A device
// that did not wait for PUBREC is disconnected; otherwise the id would stay
// taken, and the next message under it be mistaken for a copy.
func (c *conn) onPubrel(pk *packets.Packet) error {
	known, begun := false, false
	s := c.quality()
	if s != nil {
		known, begun = s.release(pk.PacketID)
	}
	switch {
	case begun:
		c.server.releaser.add(release{conn: c, session: s, id: pk.PacketID})
	case !known && c.awaits(pk.PacketID):
		return packets.ErrProtocolViolation
	case !known:
		c.complete(pk.PacketID, notFound)
	}
	return nil
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
func (c *conn) onWill(pk *packets.Packet) {
	m := &message{conn: c, at: time.Now(), will: true}
	c.server.stats.received.Add(1)
	if v := c.address(pk, m); v != stored {
		c.server.stats.refuse(v.reason())
		return
	}
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
