package downlink

import (
	"time"

	"headgate/shardlog"
)

// Message is a record as subscribers see it. It is not changed once it is made.
type Message struct {
	At      Place
	Topic   string
	Client  string // who published it
	QoS     byte
	Retain  bool
	Expires time.Time // zero: never
	Body    any       // what the door needs to send it
	Size    int       // bytes, about
}

// Place is where a message lies in the log.
type Place struct {
	Shard shardlog.ShardID
	Seq   shardlog.Seq
}

// Delivery is a message on its way to one session.
type Delivery struct {
	*Message
	QoS         byte // of the message and the subscription, the lower
	AsRetained  bool
	Identifiers []uint32

	shared bool // by a shared subscription, perhaps among others
}
