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

// Place is where a message lies in the log, and for a session also how it comes
// to it: a record may come by its topic and by a stream as a whole.
type Place struct {
	Shard shardlog.ShardID
	Seq   shardlog.Seq
	Via   string `json:",omitempty"` // the shared subscription, or that to a stream; empty: the session's topics
}

// Delivery is a message on its way to one session.
type Delivery struct {
	*Message
	QoS         byte // of the message and the subscription, the lower
	AsRetained  bool
	Identifiers []uint32

	via string // as of Place
}

// Place is what the delivery is known by to the session.
func (d *Delivery) Place() Place { return Place{d.At.Shard, d.At.Seq, d.via} }
