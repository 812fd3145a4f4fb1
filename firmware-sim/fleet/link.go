package fleet

import (
	"context"
	"errors"
	"fmt"
)

// ErrRefused says that the broker did not accept the credentials.
var ErrRefused = errors.New("refused by the broker")

// link is one connection of one device.
type link struct {
	client client
	wire   *wire
	lost   chan struct{} // closed when the client has given the connection up
}

// client speaks one version of MQTT over a link's wire: a new one each, because
// the libraries' own reconnects have no jitter and cannot be interrupted.
type client interface {
	// connect connects, repeats what the window holds, and says whether the
	// broker knew the session. A clean one makes it forget the session instead.
	connect(ctx context.Context, clean bool) (known bool, err error)
	// publish puts a message into the window and the wire's buffer. It does not
	// wait for the broker.
	publish(topic string, qos byte, data []byte) error
	// disconnect ends the connection as MQTT wants it.
	disconnect()
}

// dial connects a device. A clean link makes the broker forget the session of
// this client id, and cannot resume anything.
func (n *node) dial(ctx context.Context, clean bool) (*link, error) {
	conn, err := n.fleet.conf.Dial(ctx, n.dev.ID, n.broker())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	l := &link{wire: newWire(conn, readBuffer(n.fleet.conf.Window), n.window.release), lost: make(chan struct{})}
	if n.version == 5 {
		l.client = n.client5(l)
	} else {
		l.client = n.client3(l)
	}
	known, err := l.client.connect(ctx, clean)
	if err != nil {
		l.wire.kill()
		if errors.Is(err, ErrRefused) || ctx.Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("connect: %w", err)
	}
	if !known && n.window.len() > 0 {
		n.fleet.count.forgotten.Add(1)
	}
	return l, nil
}

// readBuffer holds the acknowledgements of a window, within reason.
func readBuffer(window int) int { return min(max(4*window, 128), 4096) }

// drop breaks the connection and waits until the client is through with it.
func (l *link) drop() {
	l.wire.kill()
	<-l.lost
}

// bye ends the connection as MQTT wants it.
func (l *link) bye() {
	l.wire.flush()
	l.client.disconnect()
	l.wire.kill()
}
