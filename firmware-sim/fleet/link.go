package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// publishPatience is how long paho may take to accept a packet. Its writer
// never blocks here, so only a connection that just broke takes so long; the
// message is in the window then and the next connection repeats it.
const publishPatience = 2 * time.Second

// ErrRefused says that the broker did not accept the credentials.
var ErrRefused = errors.New("refused by the broker")

// link is one connection of one device: a new paho client each, because paho's
// own reconnect has no jitter and cannot be interrupted.
type link struct {
	client mqtt.Client
	wire   *wire
	lost   chan struct{} // closed when paho has given the connection up
}

// dial connects a device. A clean link makes the broker forget the session of
// this client id, and cannot resume anything.
func (n *node) dial(ctx context.Context, clean bool) (*link, error) {
	conf := &n.fleet.conf
	conn, err := conf.Dial(ctx, n.dev.ID, conf.Broker)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	l := &link{wire: newWire(conn, readBuffer(conf.Window), n.window.release), lost: make(chan struct{})}
	l.client = mqtt.NewClient(n.options(l, clean))
	token := l.client.Connect()
	for {
		select {
		case <-token.Done():
			if err := token.Error(); err != nil {
				l.wire.kill()
				if errors.Is(err, packets.ErrorRefusedNotAuthorised) || errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) {
					return nil, ErrRefused
				}
				return nil, fmt.Errorf("connect: %w", err)
			}
			return l, nil
		case <-l.wire.dirty: // what a resume repeats
			l.wire.flush()
		case <-ctx.Done():
			l.wire.kill()
			<-token.Done()
			return nil, ctx.Err()
		}
	}
}

func (n *node) options(l *link, clean bool) *mqtt.ClientOptions {
	conf := &n.fleet.conf
	o := mqtt.NewClientOptions()
	o.Servers = []*url.URL{{Scheme: "tcp", Host: conf.Broker}}
	o.SetClientID(n.name).SetUsername(conf.Username).SetPassword(conf.Password)
	o.SetProtocolVersion(4).SetCleanSession(clean).SetStore(n.window)
	o.SetAutoReconnect(false).SetConnectRetry(false).SetResumeSubs(false)
	o.SetKeepAlive(conf.KeepAlive).SetPingTimeout(max(conf.KeepAlive/2, time.Second))
	o.SetConnectTimeout(30 * time.Second).SetWriteTimeout(publishPatience)
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return l.wire, nil })
	o.SetConnectionLostHandler(func(mqtt.Client, error) { close(l.lost) })
	return o
}

// readBuffer holds the acknowledgements of a window, within reason.
func readBuffer(window int) int { return min(max(4*window, 128), 4096) }

// drop breaks the connection and waits until paho is through with it.
func (l *link) drop() {
	l.wire.kill()
	<-l.lost
}

// bye ends the connection as MQTT wants it.
func (l *link) bye() {
	l.wire.flush()
	l.client.Disconnect(1000)
	l.wire.kill()
}
