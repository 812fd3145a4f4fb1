package storm

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"headgate/firmware-sim/packet"
)

// device is one device. It belongs to the goroutine that runs it.
type device struct {
	storm   *Storm
	connect packet.Connect
	tls     *tls.Config // nil: plain
	random  *rand.Rand
}

const (
	firstBackoff = 500 * time.Millisecond
	mostBackoff  = 10 * time.Second
	mostAnswer   = 4096 // bytes of a packet that a broker sends to a device that asked for nothing
)

// run connects, tries again with a jittered back-off, and holds the connection
// until ctx ends. It calls done when the device is in, or has given up.
func (d *device) run(ctx context.Context, at time.Time, done func()) {
	wait(ctx, time.Until(at))
	conf, begun := &d.storm.conf, time.Now()
	trying, stop := context.WithTimeout(ctx, conf.Patience)
	defer stop()
	for try, backoff := 1, firstBackoff; ; try++ {
		conn, err := d.dial(trying)
		if err == nil {
			d.storm.tally.in(time.Since(begun))
			done()
			d.hold(ctx, conn)
			return
		}
		if ctx.Err() == nil {
			d.storm.tally.failed(err)
		}
		if try != conf.Tries && trying.Err() == nil {
			wait(trying, time.Duration(d.random.Int64N(int64(backoff))))
			backoff = min(2*backoff, mostBackoff)
		}
		if try == conf.Tries || trying.Err() != nil {
			done()
			return
		}
	}
}

// dial connects as far as the CONNACK.
func (d *device) dial(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", d.storm.conf.Address)
	if err != nil {
		return nil, fault{"dial", err}
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if d.tls != nil {
		secure := tls.Client(conn, d.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, fault{"tls", err}
		}
		conn = secure
	}
	if err := d.enter(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// enter sends CONNECT and reads the answer.
func (d *device) enter(conn net.Conn) error {
	if _, err := conn.Write(d.connect.Append(nil)); err != nil {
		return fault{"connect", err}
	}
	answer, err := packet.Read(bufio.NewReaderSize(io.LimitReader(conn, 4), 16), 2) // a CONNACK and no byte behind it
	if err != nil {
		return fault{"connect", err}
	}
	if _, err := packet.Accepted(answer); err != nil {
		return fault{"connack", err}
	}
	return nil
}

// hold keeps the connection alive until ctx ends, which resets it, or the
// broker drops it, which counts. One goroutine, no timer, one small buffer.
func (d *device) hold(ctx context.Context, conn net.Conn) {
	defer d.storm.tally.left()
	defer abort(conn)
	stop := context.AfterFunc(ctx, func() { abort(conn) })
	defer stop()
	keepAlive := time.Duration(d.connect.KeepAlive) * time.Second
	in := bufio.NewReaderSize(conn, 16)
	for {
		if keepAlive > 0 {
			if err := conn.SetReadDeadline(time.Now().Add(keepAlive / 2)); err != nil {
				break
			}
		}
		_, err := packet.Read(in, mostAnswer)
		var slow net.Error
		if errors.As(err, &slow) && slow.Timeout() {
			if _, err = conn.Write(packet.Ping(nil)); err == nil {
				continue
			}
		}
		if err != nil {
			break
		}
	}
	if ctx.Err() == nil {
		d.storm.tally.lose()
	}
}

// abort ends a connection as a link that breaks, without TLS's or MQTT's goodbye.
func abort(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// fault is why a device did not get in: at which step, and the reason.
type fault struct {
	step string
	err  error
}

func (f fault) Error() string { return fmt.Sprintf("%s: %v", f.step, f.err) }

// cause is what faults are counted by: no addresses, no ports.
func (f fault) cause() string {
	var refused packet.Refused
	var slow net.Error
	switch {
	case errors.As(f.err, &refused):
		return refused.Error()
	case errors.Is(f.err, context.DeadlineExceeded), errors.As(f.err, &slow) && slow.Timeout():
		return f.step + ": timeout"
	case errors.Is(f.err, io.EOF), errors.Is(f.err, io.ErrUnexpectedEOF):
		return f.step + ": closed"
	}
	var op *net.OpError
	if errors.As(f.err, &op) {
		return f.step + ": " + op.Err.Error()
	}
	return f.step + ": " + f.err.Error()
}
