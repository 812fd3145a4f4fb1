// Package iotsql is the SQL of AWS IoT's rules, version 2016-03-23: a
// statement is compiled once and then applied to messages. It knows messages
// and JSON; it knows no log, no stream and no action.
package iotsql

import "time"

// Message is what statements are applied to. It is not changed.
type Message struct {
	Topic   string
	Client  string // who published it; empty: it came over no MQTT
	Payload []byte
	Arrived time.Time // what timestamp() answers

	// MQTT 5 only.
	Text          bool // the payload is UTF-8 text, the device says
	ContentType   string
	ResponseTopic string
	Correlation   []byte
	User          []Property
}

// Property is a user property of MQTT 5.
type Property struct{ Name, Value string }

// Bounds of a statement, so that neither reading one nor applying it takes
// long, whatever it says.
const (
	MaxSQL   = 16 << 10 // bytes of a statement or a template
	maxDepth = 64       // of expressions within one another
	maxNest  = 128      // of arrays and objects within one another
	maxWork  = 16 << 20 // about how many bytes one application may look at or make
)
