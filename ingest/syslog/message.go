package syslog

import (
	"net/netip"
	"unicode/utf8"

	"headgate/shardlog"
)

// overhead is what a waiting message takes beside its bytes.
const overhead = 256

// message is one message on its way into the log.
type message struct {
	entry shardlog.Entry
	room  *room // of its connection; nil: it came over UDP

	lane  *lane
	again bool // the Put did not settle it
	tries int  // Puts that failed for no known reason
}

// size is what windows count.
func (m *message) size() int {
	return len(m.entry.Data) + len(m.entry.Meta) + len(m.entry.Key) + overhead
}

// origin is who sends.
type origin struct {
	transport Transport
	address   netip.AddrPort // unmapped, without zone
	peer      string         // see Meta.Peer
}

// newMessage makes a message of bytes that it does not keep.
func (c *Config) newMessage(from origin, data []byte, cut bool) *message {
	cut = cut || len(data) > c.MaxMessage
	data = data[:min(len(data), c.MaxMessage)]
	h := ParseHeader(data)
	meta := Meta{
		Transport: from.transport, Format: h.Format, Facility: h.Facility, Severity: h.Severity, Cut: cut,
		Hostname: string(h.Hostname), App: string(h.App), Source: from.address, Peer: from.peer,
	}
	key := c.keyOf(meta)
	if key == meta.Hostname {
		meta.Hostname, meta.KeyIsHost = "", true
	}
	both := make([]byte, len(data), len(data)+64+len(meta.Hostname)+len(meta.App)+len(meta.Peer))
	copy(both, data)
	both = meta.Append(both)
	return &message{entry: shardlog.Entry{Key: key, Data: both[:len(data):len(data)], Meta: both[len(data):]}}
}

// keyOf is the partition key of a message. It is never empty.
func (c *Config) keyOf(m Meta) string {
	host := m.Hostname
	if host == "" || c.Key == BySource {
		host = m.Source.Addr().String()
	}
	if c.Key != ByApp || m.App == "" {
		return host
	}
	key := host + "/" + m.App
	if utf8.RuneCountInString(key) > shardlog.MaxPartitionKey {
		return host
	}
	return key
}
