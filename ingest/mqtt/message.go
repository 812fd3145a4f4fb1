package mqtt

import (
	"sync/atomic"
	"time"

	"headgate/shardlog"
)

// message is one PUBLISH on its way from the socket to the log and back. Its
// connection's reader makes it; the committer of its stream, or the desk of a
// service, settles it; the connection's pump answers it.
type message struct {
	conn   *conn
	target target // nil when it was refused before it got one
	entry  shardlog.Entry
	at     time.Time
	id     uint16
	qos    byte
	dup    bool
	will   bool

	// QoS 2 only.
	session *session
	token   token
	fresh   bool             // store even if the id is taken: the device begins anew
	over    shardlog.Version // the version to overwrite; zero: the id must be absent

	retain *shardlog.Mutation // makes it its topic's retained message; nil: it is none

	request *request // to a service; nil: it becomes a record

	lane    *lane         // owned by the committer
	again   bool          // owned by the committer: to be tried once more
	settled atomic.Uint32 // 0: not yet; else 1 + verdict
}

// target takes messages and settles them.
type target interface{ add(m *message) }

// size is what a window counts.
func (m *message) size() int { return len(m.entry.Data) + len(m.entry.Meta) + len(m.entry.Key) + 64 }

// exact reports whether the message has mutations, so that its Put is all or
// nothing.
func (m *message) exact() bool { return m.qos == 2 || m.retain != nil }

// settle gives the message its verdict. The caller then wakes the connection.
func (m *message) settle(v verdict) { m.settled.Store(uint32(v) + 1) }

// verdict reports the verdict and whether there is one.
func (m *message) verdict() (verdict, bool) {
	v := m.settled.Load()
	return verdict(v - 1), v != 0
}
