package mqtt

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"headgate/shardlog/quota"
)

// errStalled ends a connection whose messages the log did not take in time.
var errStalled = errors.New("log took no message for half a keepalive")

// conn is one connection: the socket, and the messages that wait for the log.
// It outlives its socket until the last of them is settled.
type conn struct {
	net.Conn
	server *Server

	device   atomic.Pointer[device] // set once the device is let in
	peer     atomic.Pointer[peer]   // likewise, after device
	guard    Guard                  // set before device; nil: the device may do everything
	refusing atomic.Bool            // MQTT 3.1.1: a message was refused, so the connection ends and later ones will come again
	closed   chan struct{}
	closing  sync.Once
	writing  sync.Mutex // held while whole packets are written
	leave    func()     // ends its turn at the handshake
	kicks    int        // takeovers in a row, each soon after the one before; set before device
	heard    heard

	// Owned by the goroutine that reads.
	reader  reader
	aliases map[uint16]string // topics, by their alias
	rate    *quota.Write      // nil: no limit of its own
	will    *will             // published when the connection ends; nil: none

	mu       sync.Mutex
	session  *session // QoS 2; nil until it is used
	draining bool     // reads nothing more
	pumping  bool
	fifo     []*message // in the order of arrival
	bytes    int        // of fifo
	comps    []comp     // PUBCOMPs to write
	room     chan struct{}
}

// comp is one PUBCOMP.
type comp struct {
	id   uint16
	code byte
}

// smallMessage is what each connection may have waiting however much others have.
const smallMessage = 4 << 10

// newConn takes over a socket, which may be a TLS connection.
func newConn(s *Server, socket net.Conn) *conn {
	c := &conn{Conn: socket, server: s, closed: make(chan struct{}), leave: func() {}, rate: s.cfg.rate()}
	c.reader = reader{source: c, first: maxConnect, limit: s.packetLimit()}
	return c
}

// Read waits for what the device sends: for its CONNECT until the deadline that
// is set, then for one and a half times its keepalive (MQTT 5.0, 3.1.2.10). It
// hands over nothing more once the server drains.
func (c *conn) Read(b []byte) (int, error) {
	if p := c.peer.Load(); p != nil {
		if err := c.expect(p.keepalive); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(b)
	c.server.stats.bytes.Add(uint64(n))
	if err != nil && c.stopped() {
		<-c.closed
		return 0, io.EOF
	}
	return n, err
}

// expect sets the time until which the device has to send something.
func (c *conn) expect(keepalive time.Duration) error {
	var until time.Time // zero: for ever
	if keepalive > 0 {
		until = time.Now().Add(keepalive + keepalive/2)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return nil
	}
	return c.Conn.SetReadDeadline(until)
}

// send writes whole packets within the time that a device has to take them. A
// write that fails ends the connection, since half a packet may be out.
func (c *conn) send(b []byte) (int, error) { return c.write(b, c.server.cfg.WriteTimeout) }

func (c *conn) write(b []byte, within time.Duration) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.Conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if err != nil {
		_ = c.Close() // the write's own error is the one to tell
	}
	return n, err
}

// name is the device's client id, empty before it is let in.
func (c *conn) name() string {
	if p := c.peer.Load(); p != nil {
		return p.id
	}
	return ""
}

// version is the protocol version that the device speaks, 4 before that is known.
func (c *conn) version() byte {
	if p := c.peer.Load(); p != nil {
		return p.version
	}
	return 4
}

// Close closes the socket, once.
func (c *conn) Close() error {
	var err error
	c.closing.Do(func() {
		close(c.closed)
		err = c.Conn.Close()
	})
	return err
}

// gone reports whether the socket is closed.
func (c *conn) gone() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// drain makes the reader wait for Close instead of reading on.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0)) // fails on a closed socket, which reads nothing either
}

func (c *conn) stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

// admit puts a message at the end of the connection's line. While the window
// is full it waits, and so does everything behind it in the socket: that is
// the back-pressure. It gives up when the connection closes, or after half a
// keepalive, because a PINGREQ may be waiting behind.
func (c *conn) admit(m *message) error {
	if c.enter(m) {
		return nil
	}
	c.server.stats.windowWaits.Add(1)
	var late <-chan time.Time
	if k := c.peer.Load().keepalive; k > 0 {
		timer := time.NewTimer(k / 2)
		defer timer.Stop()
		late = timer.C
	}
	again := time.NewTicker(20 * time.Millisecond) // room among all connections is not announced
	defer again.Stop()
	for !c.enter(m) {
		select {
		case <-c.room:
		case <-again.C:
		case <-c.closed:
			return net.ErrClosed
		case <-late:
			return errStalled
		}
	}
	return nil
}

// enter appends the message if the window has room. One message always fits
// into an empty window, and a small one even when the room for all connections
// is used up, so that a device that sends a message now and then does not wait
// for those that flood a throttled shard.
func (c *conn) enter(m *message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg := &c.server.cfg
	over := len(c.fifo) >= cfg.Window || len(c.fifo) > 0 && c.bytes+m.size() > cfg.WindowBytes
	if alone := len(c.fifo) == 0 && m.size() <= smallMessage; !alone && c.server.waiting.Load() > int64(cfg.PendingBytes) {
		over = true
	}
	if over {
		if c.room == nil {
			c.room = make(chan struct{}, 1)
		}
		return false
	}
	c.line(m)
	return true
}

// force puts a message at the end of the line whatever the window says.
func (c *conn) force(m *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line(m)
}

// line appends. The caller holds mu.
func (c *conn) line(m *message) {
	c.fifo = append(c.fifo, m)
	c.bytes += m.size()
	c.server.waiting.Add(int64(m.size()))
	c.server.open.Add(1)
}

// oldest is when the connection's oldest unanswered message arrived.
func (c *conn) oldest() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.fifo) == 0 {
		return time.Time{}, false
	}
	return c.fifo[0].at, true
}
