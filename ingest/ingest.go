// Package ingest decides where what devices send is stored: Routes leads from
// a topic (a track, a path) to a stream and a partition key. It knows no
// protocol and no network; the doors in its sub-folders do.
package ingest

import (
	"headgate/shardlog"
)

// DefaultStream takes what no route names.
const DefaultStream shardlog.StreamName = "telemetry"

// Route is one rule of a Routes table.
type Route struct {
	// Filter is an MQTT topic filter: levels between slashes, + for any one
	// level, # at the end for any rest. A wildcard in front does not match
	// topics that begin with $.
	Filter string
	// Stream is where matching messages go; empty: DefaultStream. It may be a
	// template within the bounds of Table.Create; see Routes.Find.
	Stream shardlog.StreamName
	// Key is the template of the partition key; empty: {clientid}. See Routes.Find.
	Key string
	// Shards is how many shards the stream gets if it has to be made; zero
	// leaves it to the log.
	Shards int
	// Decode is what payloads are taken for: each that is not empty is read as a
	// whole, and counted if it is something else; it is stored as it came either
	// way. Empty: payloads are read no further than the templates need.
	Decode Decode
	// RecordOnly keeps messages from subscribers: they are stored and no more.
	RecordOnly bool
	// Refuse makes matching messages Denied. The rest but Filter then means nothing.
	Refuse bool
}

// Decode is a format of payloads.
type Decode string

// The formats. Sparkplug follows the edge nodes of Sparkplug B, too: their
// births and deaths, sequence numbers and aliases.
const (
	DecodeJSON      Decode = "json"
	DecodeCBOR      Decode = "cbor"
	DecodeSparkplug Decode = "sparkplug"
)

// Source is what a route may look at: who sent a message, under which topic,
// and what. A field that the door does not have stays zero. Payload is not
// kept.
type Source struct {
	Topic    string
	ClientID string
	Username string
	Payload  []byte
	QoS      byte
	User     []Property
}

// Property is a user property of MQTT 5.
type Property struct{ Name, Value string }

// Target is where a message goes.
type Target struct {
	Stream     shardlog.StreamName
	Key        string // it may be part of the Source's strings
	Filter     string // of the route that leads there
	RecordOnly bool   // subscribers are not sent it
}
