package gateway

import (
	"context"
	"iter"
	"strings"

	"headgate/gateway/iotapi"
	"headgate/ingest"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

// messages are the iotapi.Messages: records where the MQTT door would store
// them, and its retained messages.
type messages struct {
	g      *Gateway
	routes *ingest.Routes
	writer shardlog.Writer
}

// Publish stores a message, or hands it to the service whose topic it has.
func (p messages) Publish(ctx context.Context, m iotapi.Message) error {
	client := apiClient + m.Caller
	for _, s := range p.g.services {
		if s.Takes(m.Topic) {
			return s.Serve(ctx, ingest.Request{ClientID: client, Topic: m.Topic, Payload: m.Payload})
		}
	}
	if m.Topic == "" || strings.HasPrefix(m.Topic, "$") {
		return shardlog.Errorf(shardlog.Denied, "publish", "topic %q", m.Topic)
	}
	meta := metaOf(m)
	target, err := p.routes.Find(ingest.Source{Topic: m.Topic, ClientID: client, Payload: m.Payload, QoS: m.QoS, User: meta.User})
	if err != nil {
		return err
	}
	meta.RecordOnly = target.RecordOnly
	if target.Key != client {
		meta.Client = client
	}
	entry := shardlog.Entry{Key: target.Key, Data: m.Payload, Meta: meta.Append(nil)}
	var with []shardlog.Mutation
	if m.Retain && !target.RecordOnly {
		if p.g.mqtt == nil {
			return shardlog.Errorf(shardlog.Denied, "retain message", "MQTT is off")
		}
		change, err := p.g.mqtt.Retain(m.Topic, m.Payload, entry.Meta)
		if err != nil {
			return err
		}
		with = append(with, change)
	}
	spec, _ := p.routes.Spec(target.Stream) // the table has just led there
	return putMade(ctx, p.writer, p.g.control, spec, []shardlog.Entry{entry}, with...)
}

// apiClient stands before the access key of whoever publishes by API; no device
// has such a client id.
const apiClient = "$api/"

// metaOf is what is kept of a message beside its payload.
func metaOf(m iotapi.Message) mqtt.Meta {
	meta := mqtt.Meta{Topic: m.Topic, QoS: m.QoS, Retain: m.Retain, Expiry: m.Expiry, Text: m.Text,
		ContentType: m.Content, ResponseTopic: m.Response, Correlation: m.Correlation}
	for _, u := range m.User {
		meta.User = append(meta.User, mqtt.Property(u))
	}
	return meta
}

// Retained is the retained message of a topic.
func (p messages) Retained(ctx context.Context, topic string) (iotapi.Retained, error) {
	m, err := mqtt.RetainedOf(ctx, p.g.states, topic)
	return retainedOf(m), err
}

// AllRetained yields all of them by topic.
func (p messages) AllRetained(ctx context.Context) iter.Seq[iotapi.Retained] {
	return func(yield func(iotapi.Retained) bool) {
		for m := range mqtt.AllRetained(ctx, p.g.states) {
			if !yield(retainedOf(m)) {
				return
			}
		}
	}
}

func retainedOf(m mqtt.Retained) iotapi.Retained {
	one := iotapi.Retained{Topic: m.Topic, Payload: m.Payload, QoS: m.Meta.QoS, At: m.At}
	for _, u := range m.Meta.User {
		one.User = append(one.User, iotapi.Property(u))
	}
	return one
}
