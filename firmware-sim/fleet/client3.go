package fleet

import (
	"context"
	"errors"
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

// client3 speaks MQTT 3.1.1, by paho.mqtt.golang. The window is its store.
type client3 struct {
	node *node
	link *link
	paho mqtt.Client
}

func (n *node) client3(l *link) *client3 { return &client3{node: n, link: l} }

func (c *client3) connect(ctx context.Context, clean bool) (bool, error) {
	c.paho = mqtt.NewClient(c.options(clean))
	token := c.paho.Connect()
	for {
		select {
		case <-token.Done():
			err := token.Error()
			if errors.Is(err, packets.ErrorRefusedNotAuthorised) || errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) {
				return false, ErrRefused
			}
			answer, ok := token.(*mqtt.ConnectToken)
			return ok && answer.SessionPresent(), err
		case <-c.link.wire.dirty: // what a resume repeats
			c.link.wire.flush()
		case <-ctx.Done():
			c.link.wire.kill()
			<-token.Done()
			return false, ctx.Err()
		}
	}
}

func (c *client3) options(clean bool) *mqtt.ClientOptions {
	conf := &c.node.fleet.conf
	o := mqtt.NewClientOptions()
	o.Servers = []*url.URL{{Scheme: "tcp", Host: c.node.broker()}} // for show: the connection is open
	o.SetClientID(c.node.name).SetUsername(conf.Username).SetPassword(conf.Password)
	o.SetProtocolVersion(4).SetCleanSession(clean).SetStore(c.node.window)
	o.SetAutoReconnect(false).SetConnectRetry(false).SetResumeSubs(false)
	o.SetKeepAlive(conf.KeepAlive).SetPingTimeout(max(conf.KeepAlive/2, time.Second))
	o.SetConnectTimeout(30 * time.Second).SetWriteTimeout(publishPatience)
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return c.link.wire, nil })
	o.SetConnectionLostHandler(func(mqtt.Client, error) { close(c.link.lost) })
	return o
}

func (c *client3) publish(topic string, qos byte, data []byte) error {
	token := c.paho.Publish(topic, qos, false, data)
	select {
	case <-token.Done():
		return token.Error()
	default:
		return nil
	}
}

func (c *client3) disconnect() { c.paho.Disconnect(1000) }
