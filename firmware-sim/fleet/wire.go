package fleet

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// errKilled is what paho reads from a connection that we closed. It must not
// look like a closed socket, about which paho would keep silent.
var errKilled = errors.New("connection dropped")

// wire is a device's connection as paho sees it. Packets gather in a buffer
// until the device's own goroutine sends them in one write, and are read
// through a buffer, where paho alone would make one system call per packet and
// three per acknowledgement. Write never blocks; the window bounds the buffer.
type wire struct {
	net.Conn
	in       *bufio.Reader
	released func(id uint16) // a PUBREL went out
	dirty    chan struct{}   // something is waiting to be sent

	sending sync.Mutex // around each write to the socket; taken before mu
	mu      sync.Mutex
	out     []byte
	spare   []byte // owned by who holds sending
	dead    bool
}

// First bytes of MQTT packets that need care.
const (
	connectByte    = 0x10
	pubrelByte     = 0x62
	disconnectByte = 0xe0
)

func newWire(conn net.Conn, readBuffer int, released func(uint16)) *wire {
	return &wire{Conn: conn, in: bufio.NewReaderSize(conn, readBuffer), released: released, dirty: make(chan struct{}, 1)}
}

// Read is called by paho's one reader.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	if errors.Is(err, net.ErrClosed) {
		err = errKilled
	}
	return n, err
}

// Write takes one whole packet. The first and the last of a connection are
// sent at once, all others with the next flush.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.dead {
		w.mu.Unlock()
		return 0, errKilled
	}
	w.out = append(w.out, p...)
	w.mu.Unlock()
	switch {
	case len(p) == 4 && p[0] == pubrelByte:
		w.released(uint16(p[2])<<8 | uint16(p[3]))
	case p[0] == connectByte || p[0] == disconnectByte:
		return len(p), w.flush()
	}
	select {
	case w.dirty <- struct{}{}:
	default:
	}
	return len(p), nil
}

// flush sends what was gathered. It blocks while the broker does not read.
func (w *wire) flush() error {
	w.sending.Lock()
	defer w.sending.Unlock()
	w.mu.Lock()
	out := w.out
	w.out, w.spare = w.spare[:0], nil
	w.mu.Unlock()
	if len(out) == 0 {
		w.spare = out
		return nil
	}
	_, err := w.Conn.Write(out)
	if cap(out) <= 1<<20 {
		w.spare = out
	}
	if err != nil {
		w.kill()
	}
	return err
}

// waiting is how many bytes wait for a flush.
func (w *wire) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.out)
}

// kill drops the connection; paho notices and reports the loss.
func (w *wire) kill() {
	w.mu.Lock()
	w.dead = true
	w.mu.Unlock()
	w.Conn.Close()
}

// Close is called by paho, when it gives the connection up.
func (w *wire) Close() error {
	w.kill()
	return nil
}

// SetDeadline sets the read deadline only: writes go to the buffer.
func (w *wire) SetDeadline(t time.Time) error { return w.Conn.SetReadDeadline(t) }

// SetWriteDeadline does nothing: a broker that stops reading for a while is
// pushing back, and the keep-alive finds one that is gone.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

var _ io.ReadWriteCloser = (*wire)(nil)
