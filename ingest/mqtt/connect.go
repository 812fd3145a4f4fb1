package mqtt

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/shardlog"
)

// peer is who is at the other end of a connection.
type peer struct {
	id        string
	username  string
	version   byte // of the protocol: 3, 4 or 5
	keepalive time.Duration
}

// stateTimeout bounds the look into replicated state when a device connects.
const stateTimeout = 5 * time.Second

// welcome reads CONNECT and answers it. An error ends the connection; what there
// is to say of it to the device has been said.
func (c *conn) welcome(ctx context.Context) error {
	var pk packets.Packet
	if err := c.receive(&pk); err != nil {
		return err
	}
	p := &peer{
		id: strings.Clone(pk.Connect.ClientIdentifier), username: string(pk.Connect.Username),
		version: pk.ProtocolVersion, keepalive: time.Duration(pk.Connect.Keepalive) * time.Second,
	}
	if p.version < 3 || p.version > 5 { // it is answered as everybody understands: Mosquitto's bridge tries again without its bit then
		p.version = 4
	}
	ack := packets.Packet{ProtocolVersion: p.version, FixedHeader: packets.FixedHeader{Type: packets.Connack}}
	code, err := c.consider(ctx, p, &pk, &ack)
	if err != nil {
		c.server.stats.turnedAway.Add(1)
		c.server.cfg.Log.Info("refuse connection", "client", p.id, "remote", c.RemoteAddr(), "error", err)
		ack.ReasonCode = code.Code
		if p.version < 5 {
			ack.ReasonCode = returnCode(code)
		}
		if code == packets.ErrBadUsernameOrPassword {
			_ = c.pause(ctx, refusalPause) // it is answered anyway
		}
		ack.Properties.ReasonString = code.Reason
		c.connack(&ack)
		return err
	}
	if p.version >= 5 {
		c.announce(&ack)
	}
	c.peer.Store(p)
	return c.connack(&ack)
}

// connack sends a CONNACK.
func (c *conn) connack(ack *packets.Packet) error {
	var b bytes.Buffer
	if err := ack.ConnackEncode(&b); err != nil {
		return err
	}
	_, err := c.send(b.Bytes())
	return err
}

// announce says to a device of MQTT 5 what it may do (MQTT 5.0, 3.2.2.3).
func (c *conn) announce(ack *packets.Packet) {
	p := &ack.Properties
	p.ReceiveMaximum = uint16(c.server.cfg.Window)
	p.MaximumPacketSize = uint32(c.server.packetLimit())
	p.TopicAliasMaximum = maxAliases
	if c.device.Load().expiry == sessionExpiry {
		p.SessionExpiryInterval, p.SessionExpiryIntervalFlag = uint32(sessionExpiry/time.Second), true
	}
}

// consider decides whether the device is let in, and takes up its session. With
// an error code says why not.
func (c *conn) consider(ctx context.Context, p *peer, pk *packets.Packet, ack *packets.Packet) (code packets.Code, err error) {
	if code := vet(p, pk); code != packets.CodeSuccess {
		return code, code
	}
	if p.id == "" {
		p.id = "auto-" + strings.ToLower(rand.Text())
		ack.Properties.AssignedClientID = p.id
	}
	login := Login{ClientID: p.id, Remote: c.RemoteAddr(), Username: p.username, Password: pk.Connect.Password}
	switch t := c.Conn.(type) {
	case *tls.Conn:
		state := t.ConnectionState()
		login.TLS = &state
	case *framed:
		login.TLS = t.state
	}
	if !c.server.cfg.Authenticate(login) {
		return packets.ErrBadUsernameOrPassword, packets.ErrBadUsernameOrPassword
	}
	ctx, cancel := context.WithTimeout(ctx, stateTimeout+takeoverMost)
	defer cancel()
	if code, err := c.admitted(ctx, p, pk, login, ack); err != nil {
		return code, err
	}
	c.keepWill(p, pk)
	if err := c.begin(ctx, p, pk); err != nil {
		c.will = nil
		if shardlog.KindOf(err) == shardlog.LimitExceeded {
			return packets.ErrQuotaExceeded, err
		}
		return packets.ErrServerUnavailable, err
	}
	ack.SessionPresent = c.device.Load().present
	return packets.CodeSuccess, nil
}

// vet looks at what CONNECT says, before anybody is asked.
func vet(p *peer, pk *packets.Packet) packets.Code {
	code := pk.ConnectValidate()
	if empty := pk.Connect.WillFlag && pk.Connect.WillTopic != "" && len(pk.Connect.WillPayload) == 0; empty && code == packets.ErrProtocolViolationWillFlagNoPayload {
		code = packets.CodeSuccess // it may be empty (MQTT 5.0, 3.1.3.4)
	}
	switch {
	case code == packets.ErrProtocolViolationProtocolVersion:
		return packets.ErrUnsupportedProtocolVersion // MQTT-3.1.2-2
	case code != packets.CodeSuccess:
		return code
	case pk.Properties.AuthenticationMethod != "":
		return packets.ErrBadAuthenticationMethod
	case p.id == "" && p.version < 5 && !pk.Connect.Clean: // MQTT 3.1.1, 3.1.3.1
		return packets.ErrClientIdentifierNotValid
	case len(p.id) > maxClientID, strings.ContainsAny(p.id, "+#"), strings.HasPrefix(p.id, "$"):
		return packets.ErrClientIdentifierNotValid
	case pk.Connect.WillFlag && !publishable(pk.Connect.WillTopic):
		return packets.ErrTopicNameInvalid
	case pk.Connect.WillFlag && strings.HasPrefix(pk.Connect.WillTopic, "$"):
		return packets.ErrNotAuthorized
	}
	return packets.CodeSuccess
}

// admitted asks who the device is and what it may do.
func (c *conn) admitted(ctx context.Context, p *peer, pk *packets.Packet, login Login, ack *packets.Packet) (packets.Code, error) {
	if c.server.cfg.Admit == nil {
		return packets.CodeSuccess, nil
	}
	if ack.Properties.AssignedClientID != "" {
		login.ClientID = ""
	}
	guard, err := c.server.cfg.Admit(ctx, login)
	switch {
	case shardlog.KindOf(err) == shardlog.Throttled, shardlog.KindOf(err) == shardlog.Unavailable:
		return packets.ErrServerBusy, err
	case err != nil:
		return packets.ErrBadUsernameOrPassword, err
	case guard == nil:
		return packets.CodeSuccess, nil
	case pk.Connect.WillFlag && !guard.Publish(pk.Connect.WillTopic):
		guard.Close()
		return packets.ErrNotAuthorized, shardlog.Errorf(shardlog.Denied, "admit device", "its will is for a topic that it may not publish to")
	}
	if c.guard = guard; login.ClientID == "" {
		p.id = guard.Device()
		ack.Properties.AssignedClientID = p.id
	}
	return packets.CodeSuccess, nil
}

// begin takes up, or begins, the sessions of both directions.
func (c *conn) begin(ctx context.Context, p *peer, pk *packets.Packet) error {
	if err := c.server.calm(ctx, c, p.id); err != nil {
		return err
	}
	s, err := c.server.sessions.open(ctx, p.id, pk.Connect.Clean)
	if err != nil {
		return err
	}
	d, err := c.server.enlist(ctx, c, p, pk)
	if err != nil {
		if s != nil {
			c.server.sessions.leave(s, false)
		}
		return err
	}
	c.use(s)
	c.device.Store(d)
	c.server.wills.over(p.id, d.present)
	return nil
}
