package mqtt

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/eclipse/paho.golang/packets"

	"headgate/firehose"
	"headgate/shardlog"
)

// message is one record on its way.
type message struct {
	packet   packets.Publish
	seq      shardlog.Seq
	answered bool
	fault    *reason // nil: the broker has it
}

// load is the messages of one batch, in order.
type load []message

// messages are the batch's.
func (c *Config) messages(ctx context.Context, b *firehose.Batch) (all load, err error) {
	err = b.Each(ctx, func(r firehose.Record, _ []byte) error {
		m := message{seq: r.Seq, packet: packets.Publish{Topic: string(b.Stream) + "/" + r.Key, QoS: c.QoS, Payload: bytes.Clone(r.Data), Properties: &packets.Properties{}}}
		if c.Origin != nil {
			if o, ok := c.Origin(r.Record); ok {
				m.packet.Topic, m.packet.Retain = strings.TrimPrefix(o.Topic, c.Remove), o.Retain && c.Retain
				m.packet.Properties = o.properties(r.Data)
			}
		}
		m.packet.Topic = strings.NewReplacer("{topic}", m.packet.Topic, "{stream}", string(b.Stream), "{key}", r.Key).Replace(c.Topic)
		if c.Properties {
			m.packet.Properties.User = append(m.packet.Properties.User, []packets.User{{Key: "gw.batch", Value: b.ID}, {Key: "gw.seq", Value: r.Place()},
				{Key: "gw.shard", Value: b.Source}, {Key: "gw.key", Value: strings.ToValidUTF8(r.Key, "�")}}...)
		}
		if t := m.packet.Topic; t == "" || len(t) > topicBytes || strings.ContainsAny(t, "+#\x00") || !utf8.ValidString(t) {
			m.answer(reason{packets.PubackTopicNameInvalid, "the record makes no valid topic"})
		}
		if all = append(all, m); len(all) > topicBytes {
			return fmt.Errorf("a batch of more than %d records", topicBytes)
		}
		return nil
	})
	return all, err
}

// properties are those that the message came with. It does not expire
// upstream: a log is delivered however late.
func (o Origin) properties(data []byte) *packets.Properties {
	p := &packets.Properties{ContentType: o.ContentType, ResponseTopic: o.ResponseTopic, CorrelationData: bytes.Clone(o.Correlation)}
	if o.Text && utf8.Valid(data) {
		text := byte(1)
		p.PayloadFormat = &text
	}
	for _, u := range o.User {
		p.User = append(p.User, packets.User{Key: u.Name, Value: u.Value})
	}
	return p
}

// answer is the broker's word on the message; another one is none.
func (m *message) answer(why reason) {
	if m.answered = true; why.code >= firstFault {
		m.fault = &why
	}
}

// unanswered is how many messages the broker has not answered.
func (l load) unanswered() (n int) {
	for i := range l {
		if !l[i].answered {
			n++
		}
	}
	return n
}

// result is what became of a load that was answered whole. What will never be
// taken is named first, since the others come again without it.
func (l load) result() firehose.Result {
	r := firehose.Result{Class: firehose.Delivered}
	var items []firehose.Item
	denied := 0
	for i := range l {
		m := &l[i]
		r.Bytes += int64(len(m.packet.Topic) + len(m.packet.Payload))
		if m.fault == nil {
			continue
		}
		switch class := m.fault.class(); class {
		case firehose.Auth:
			denied++
			fallthrough
		case firehose.Poison:
			items = append(items, firehose.Item{Seq: m.seq, Code: m.fault.name(), Message: m.fault.Error()})
		default:
			if r.Class != firehose.Throttled {
				r = firehose.Fail(class, fmt.Errorf("publish: %w", m.fault))
			}
		}
	}
	switch {
	case denied > 0 && denied == len(l): // not these records, but all
		return firehose.Fail(firehose.Auth, fmt.Errorf("publish: %w", l[0].fault))
	case len(items) > 0:
		r = firehose.Fail(firehose.Poison, fmt.Errorf("%d of %d records are refused: %s", len(items), len(l), items[0].Message))
		r.Items = items
	}
	return r
}
