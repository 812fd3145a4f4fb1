package mqtt

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// heard is what one connection's device has published.
type heard struct {
	messages, bytes atomic.Uint64
	last            atomic.Int64 // Unix milliseconds; zero: nothing yet
}

func (h *heard) note(bytes int) {
	h.messages.Add(1)
	h.bytes.Add(uint64(bytes))
	h.last.Store(time.Now().UnixMilli())
}

// Traffic is what a connected device has published since it connected.
type Traffic struct {
	Client   string    `json:"client"`
	Remote   string    `json:"remote"`
	Since    time.Time `json:"since"` // when it connected
	Messages uint64    `json:"messages"`
	Bytes    uint64    `json:"bytes"`         // of payloads and topics
	Last     time.Time `json:"last,omitzero"` // when it published last; zero: never
	Pending  int       `json:"pending"`       // messages that wait for the log
}

// Rank orders devices.
type Rank string

// The ranks.
const (
	Loudest Rank = "loud"   // most bytes first
	Busiest Rank = "busy"   // most messages first
	Silent  Rank = "silent" // longest without a message first
)

// Devices are the first n of the connected devices by rank.
func (s *Server) Devices(by Rank, n int) []Traffic {
	s.mu.Lock()
	all := make([]Traffic, 0, len(s.devices))
	for _, d := range s.devices {
		h := &d.conn.heard
		t := Traffic{Client: d.client, Remote: d.conn.RemoteAddr().String(), Since: d.since, Messages: h.messages.Load(), Bytes: h.bytes.Load(), Pending: d.conn.pending()}
		if last := h.last.Load(); last > 0 {
			t.Last = time.UnixMilli(last)
		}
		all = append(all, t)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b Traffic) int {
		order := 0
		switch by {
		case Busiest:
			order = cmp.Compare(b.Messages, a.Messages)
		case Silent:
			order = a.quiet().Compare(b.quiet())
		default:
			order = cmp.Compare(b.Bytes, a.Bytes)
		}
		return cmp.Or(order, cmp.Compare(a.Client, b.Client))
	})
	return all[:min(n, len(all))]
}

// quiet is since when a device has published nothing.
func (t Traffic) quiet() time.Time {
	if t.Last.IsZero() {
		return t.Since
	}
	return t.Last
}

// pending is how many messages wait for the log.
func (c *conn) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.fifo)
}
