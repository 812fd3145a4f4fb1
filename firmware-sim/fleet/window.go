package fleet

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	packets5 "github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// flight is a message that was handed to the network and is not acknowledged.
type flight struct {
	n      uint64
	id     uint16 // of its packets
	record uint64 // its number in the ring, when there is one
	sent   time.Time

	packet   *packets.PublishPacket // of a device that speaks 3.1.1
	packet5  *packets5.Publish      // of one that speaks 5
	order    uint64
	released bool // QoS 2: the broker has it, only PUBREL and PUBCOMP are missing
	stale    bool // and had it before this connection
}

// window is what one device has in flight. It outlives connections, each of
// which repeats what the one before left open. To the paho of MQTT 3.1.1 it is
// the store of packets, and an acknowledgement is the deletion of a packet;
// paho's tokens do not serve, because a resume completes the old ones without
// an error before anything is acknowledged.
type window struct {
	acked func(flight) // called from paho's reader, without mu
	room  chan struct{}

	mu      sync.Mutex
	flights map[uint16]*flight
	order   uint64
	coming  flight // set before a publish, taken by Put
	taken   bool
	left    int // stale flights
	most    int // what the broker lets be in flight; zero: it did not say
	last    uint16
}

func newWindow(acked func(flight)) *window {
	return &window{acked: acked, room: make(chan struct{}, 1), flights: make(map[uint16]*flight)}
}

// expect announces the message of the publish that follows.
func (w *window) expect(f flight) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.coming, w.taken = f, false
}

// took reports whether the announced message is in the window.
func (w *window) took() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken
}

// len is how many messages are in flight.
func (w *window) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.flights)
}

// release marks a QoS 2 message that the broker has received: after a
// reconnect it gets PUBREL again, not PUBLISH, or it would be there twice.
func (w *window) release(id uint16) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.flights[id]; f != nil {
		f.released = true
	}
}

// resume is called before a new connection. What is released then counts as
// stale: the new paho client sends its PUBREL, but does not know that the
// packet id is taken, and so must not publish before all of these are through.
func (w *window) resume() (repeats int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = 0
	for _, f := range w.flights {
		if f.stale = f.released; f.stale {
			w.left++
		}
	}
	return len(w.flights)
}

// stale is how many released messages of earlier connections are not through.
func (w *window) stale() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.left
}

// take takes the announced message under a packet id.
func (w *window) take(id uint16, with func(*flight)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.coming
	with(&f)
	f.id, f.order = id, w.order
	w.order++
	w.taken = true
	w.flights[id] = &f
}

// done takes a message out that was acknowledged.
func (w *window) done(id uint16) {
	w.mu.Lock()
	f := w.flights[id]
	delete(w.flights, id)
	if f != nil && f.stale {
		w.left--
	}
	w.mu.Unlock()
	if f == nil {
		return
	}
	w.acked(*f)
	select {
	case w.room <- struct{}{}:
	default:
	}
}

// all is a copy of the flights, in the order of their publishes.
func (w *window) all() []flight {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]flight, 0, len(w.flights))
	for _, f := range w.flights {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(x, y flight) int { return cmp.Compare(x.order, y.order) })
	return all
}

// free is the next packet id that no flight has; false when each has one.
func (w *window) free() (uint16, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 1 << 16 {
		w.last++
		if w.flights[w.last] == nil && w.last != 0 {
			return w.last, true
		}
	}
	return 0, false
}

// limit sets how much the broker lets be in flight.
func (w *window) limit(most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.most = most
}

// places is how many messages may be sent now, of a device that sets itself a limit.
func (w *window) places(limit int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.most > 0 {
		limit = min(limit, w.most)
	}
	return limit - len(w.flights)
}

// The methods below are the Store of the paho of MQTT 3.1.1.

// Open does nothing: the window is open for the device's life.
func (w *window) Open() {}

// Close does nothing.
func (w *window) Close() {}

// Reset does nothing; paho calls it after a connect that cleans the session,
// which a device makes only before it has anything in flight.
func (w *window) Reset() {}

// Put takes the announced message under its packet id.
func (w *window) Put(key string, message packets.ControlPacket) {
	publish, ok := message.(*packets.PublishPacket)
	id, outbound := outboundID(key)
	if !ok || !outbound {
		return
	}
	w.take(id, func(f *flight) { f.packet = publish })
}

// Get is what a resume sends for a key: the PUBLISH, or PUBREL once released.
func (w *window) Get(key string) packets.ControlPacket {
	id, outbound := outboundID(key)
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.flights[id]
	if !outbound || f == nil {
		return nil
	}
	if f.released {
		release := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
		release.MessageID = id
		return release
	}
	return f.packet
}

// All lists the keys in the order of their publishes.
func (w *window) All() []string {
	all := w.all()
	keys := make([]string, len(all))
	for i, f := range all {
		keys[i] = "o." + strconv.Itoa(int(f.id))
	}
	return keys
}

// Del is called when PUBACK or PUBCOMP came in.
func (w *window) Del(key string) {
	id, outbound := outboundID(key)
	if outbound {
		w.done(id)
	}
}

// outboundID takes a key of paho's apart: "o." and a packet id.
func outboundID(key string) (uint16, bool) {
	digits, outbound := strings.CutPrefix(key, "o.")
	id, err := strconv.ParseUint(digits, 10, 16)
	return uint16(id), outbound && err == nil
}
