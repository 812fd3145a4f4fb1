// Package iotapi is the data plane of AWS IoT Core (service iotdata): shadows of
// things, messages published by HTTP, retained messages, one file per operation.
// It knows IoT's words and errors; it does not know where messages lie, nor how
// requests travel (package awsapi).
package iotapi

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"headgate/gateway/awsapi"
	"headgate/ingest/shadow"
)

// Messages publishes, and knows what is retained.
type Messages interface {
	// Publish stores a message where its topic leads, and returns when it is
	// durable. It keeps nothing of m. Kinds as of shardlog.Writer; Denied: nobody
	// publishes to the topic by this door.
	Publish(ctx context.Context, m Message) error
	// Retained is the retained message of a topic. Kinds as of shardlog.States.
	Retained(ctx context.Context, topic string) (Retained, error)
	// AllRetained yields all of them by topic.
	AllRetained(ctx context.Context) iter.Seq[Retained]
}

// Message is one to be published.
type Message struct {
	Topic    string
	Payload  []byte
	Caller   string // the access key; empty in open mode
	QoS      byte
	Retain   bool
	Text     bool   // the payload is UTF-8 text, the client says
	Expiry   uint32 // seconds; zero: never
	Content  string // type
	Response string // topic
	// Correlation is what an answer brings back.
	Correlation []byte
	User        []Property
}

// Property is a user property of MQTT 5.
type Property struct{ Name, Value string }

// Retained is a retained message.
type Retained struct {
	Topic   string
	Payload []byte
	QoS     byte
	At      time.Time
	User    []Property
}

// Config is what an API needs.
type Config struct {
	Shadows  *shadow.Service
	Messages Messages
}

// API is the data plane. It is safe for concurrent use.
type API struct{ config Config }

// New makes an API.
func New(c Config) (*API, error) {
	if c.Shadows == nil || c.Messages == nil {
		return nil, errors.New("iot api: shadows and messages are both needed")
	}
	return &API{config: c}, nil
}

// Service is the API as a door serves it.
func (a *API) Service() awsapi.Service {
	const (
		shadowPath = "/things/{thingName}/shadow"
		namedPath  = "/api/things/shadow/ListNamedShadowsForThing/{thingName}"
	)
	return awsapi.Service{
		Signing: "iotdata",
		Actions: "iot",
		Needs:   needs,
		Invalid: invalidRequest,
		Explain: explain,
		Ops: map[string]awsapi.Operation{
			"DeleteThingShadow":        {Method: http.MethodDelete, Path: shadowPath, Raw: true, Input: shadowInput(), Do: a.deleteShadow, Data: true},
			"GetRetainedMessage":       {Method: http.MethodGet, Path: "/retainedMessage/{topic}", Raw: true, Input: getRetainedInput(), Do: a.getRetained, Data: true},
			"GetThingShadow":           {Method: http.MethodGet, Path: shadowPath, Raw: true, Input: shadowInput(), Do: a.getShadow, Data: true},
			"ListNamedShadowsForThing": {Method: http.MethodGet, Path: namedPath, Raw: true, Input: listShadowsInput(), Do: a.listShadows, Data: true},
			"ListRetainedMessages":     {Method: http.MethodGet, Path: "/retainedMessage", Raw: true, Input: listRetainedInput(), Do: a.listRetained, Data: true},
			"Publish":                  {Path: "/topics/{topic}", Raw: true, Input: publishInput(), Do: a.publish, Needs: publishNeeds, Data: true},
			"UpdateThingShadow":        {Path: shadowPath, Raw: true, Input: shadowInput(), Do: a.updateShadow, Data: true},
		},
	}
}
