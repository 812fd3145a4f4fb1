package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"strings"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/shardlog"
)

// hook is where the broker library asks. It handles PUBLISH and PUBREL wholly
// and leaves sessions, subscriptions and keepalives to the library.
type hook struct {
	mochi.HookBase
	server *Server
	ctx    context.Context // of Run; the library's callbacks carry none
}

// stateTimeout bounds the look into replicated state when a device connects.
const stateTimeout = 5 * time.Second

// ID implements mochi.Hook.
func (h *hook) ID() string { return "headgate" }

// Provides implements mochi.Hook.
func (h *hook) Provides(b byte) bool {
	switch b {
	case mochi.OnConnect, mochi.OnConnectAuthenticate, mochi.OnSessionEstablish, mochi.OnSessionEstablished,
		mochi.OnACLCheck, mochi.OnPacketRead, mochi.OnPacketEncode, mochi.OnWillSent:
		return true
	}
	return false
}

// OnConnect vets the client id and the will.
func (h *hook) OnConnect(cl *mochi.Client, pk packets.Packet) error {
	code := packets.CodeSuccess
	will := cl.Properties.Will
	switch {
	case len(cl.ID) > maxClientID, strings.ContainsAny(cl.ID, "+#"), strings.HasPrefix(cl.ID, "$"):
		code = packets.ErrClientIdentifierNotValid
	case pk.Connect.WillFlag && !publishable(will.TopicName):
		code = packets.ErrTopicNameInvalid
	case pk.Connect.WillFlag && strings.HasPrefix(will.TopicName, "$"):
		code = packets.ErrNotAuthorized
	default:
		return nil
	}
	h.server.stats.turnedAway.Add(1)
	_ = h.server.broker.SendConnack(cl, code, false, nil) // the connection ends either way
	return code
}

// OnConnectAuthenticate asks the roof, and readies the QoS 2 session.
func (h *hook) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return false
	}
	login := Login{ClientID: cl.ID, Remote: c.RemoteAddr(), Username: string(pk.Connect.Username), Password: pk.Connect.Password}
	if t, ok := c.Conn.(*tls.Conn); ok {
		state := t.ConnectionState()
		login.TLS = &state
	}
	if !h.server.cfg.Authenticate(login) {
		h.server.stats.turnedAway.Add(1)
		h.server.cfg.Log.Info("refuse login", "client", cl.ID, "remote", cl.Net.Remote)
		return false
	}
	ctx, cancel := context.WithTimeout(h.ctx, stateTimeout)
	defer cancel()
	if !h.admit(ctx, c, cl, &pk, login) {
		return false
	}
	s, err := h.server.sessions.open(ctx, cl.ID, pk.Connect.Clean)
	var d *device
	if err == nil {
		if d, err = h.server.enlist(ctx, c, cl, &pk); err != nil && s != nil {
			h.server.sessions.leave(s, false)
		}
	}
	if err != nil {
		h.server.cfg.Log.Warn("open session", "client", cl.ID, "error", err)
		_ = h.server.broker.SendConnack(cl, packets.ErrServerUnavailable, false, nil) // the connection ends either way
		cl.Stop(packets.ErrServerUnavailable)
		return false
	}
	c.use(s)
	c.device.Store(d)
	// The library keeps no session: for it each is new and ends with its connection.
	cl.Properties.Clean, cl.Properties.Props.SessionExpiryInterval = true, 0
	return true
}

// admit asks who the device is and what it may do; false: it has been answered.
func (h *hook) admit(ctx context.Context, c *conn, cl *mochi.Client, pk *packets.Packet, login Login) bool {
	if h.server.cfg.Admit == nil {
		return true
	}
	if pk.Connect.ClientIdentifier == "" {
		login.ClientID = "" // the library has made one up
	}
	guard, err := h.server.cfg.Admit(ctx, login)
	code := packets.ErrBadUsernameOrPassword
	switch {
	case err == nil && guard == nil:
		return true
	case err == nil && pk.Connect.WillFlag && !guard.Publish(cl.Properties.Will.TopicName):
		guard.Close()
		code, err = packets.ErrNotAuthorized, errWill
	case err == nil:
		if c.guard = guard; login.ClientID == "" {
			cl.ID = guard.Device()
			cl.Properties.Props.AssignedClientID = cl.ID
		}
		return true
	case shardlog.KindOf(err) == shardlog.Throttled, shardlog.KindOf(err) == shardlog.Unavailable:
		code = packets.ErrServerBusy
	}
	h.server.stats.turnedAway.Add(1)
	h.server.cfg.Log.Info("refuse device", "client", cl.ID, "remote", cl.Net.Remote, "error", err)
	_ = h.server.broker.SendConnack(cl, code, false, nil) // the connection ends either way
	cl.Stop(code)
	return false
}

var errWill = errors.New("its will is for a topic that it may not publish to")

// OnSessionEstablish ties the connection to the client.
func (h *hook) OnSessionEstablish(cl *mochi.Client, _ packets.Packet) {
	if c, ok := cl.Net.Conn.(*conn); ok {
		c.client.Store(cl)
	}
}

// OnSessionEstablished turns off the library's flow control: ours is to stop
// reading, and the library's stalls outbound messages and may lock up when it
// looks for the next one.
func (h *hook) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	cl.State.Inflight.ResetReceiveQuota(math.MaxInt32)
	cl.State.Inflight.ResetSendQuota(0)
	if c, ok := cl.Net.Conn.(*conn); ok {
		c.device.Load().open()
	}
}

// OnACLCheck lets everything be read; what may be written is decided before
// the library sees it.
func (h *hook) OnACLCheck(*mochi.Client, string, bool) bool { return true }

// OnPacketRead is called in the connection's reader.
func (h *hook) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	c, ok := cl.Net.Conn.(*conn)
	if !ok || c.client.Load() == nil {
		return pk, nil
	}
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return c.onPublish(cl, pk)
	case packets.Pubrel:
		if !pk.ReasonCodeValid() {
			return pk, nil
		}
		return c.onPubrel(cl, pk)
	case packets.Subscribe:
		return c.device.Load().onSubscribe(h.ctx, cl, pk)
	case packets.Unsubscribe:
		return c.device.Load().onUnsubscribe(h.ctx, pk)
	case packets.Puback, packets.Pubrec, packets.Pubcomp:
		if !pk.ReasonCodeValid() {
			return pk, nil
		}
		c.device.Load().answered(&pk)
		return nothing(), nil
	case packets.Disconnect:
		return c.onDisconnect(pk)
	}
	return pk, nil
}

// onDisconnect takes the session's new expiry (MQTT 5.0, 3.14.2.2.2), which the
// library does not know the old one of.
func (c *conn) onDisconnect(pk packets.Packet) (packets.Packet, error) {
	if d := c.device.Load(); pk.Properties.SessionExpiryIntervalFlag {
		d.mu.Lock()
		if d.expiry > 0 { // it cannot be given to a session that had none
			d.expiry = lasting(pk.Properties.SessionExpiryInterval)
			pk.Properties.SessionExpiryIntervalFlag = false
		}
		d.mu.Unlock()
	}
	return pk, nil
}

// nothing is a packet that the library takes and does nothing about: a PUBACK
// for an id that is never used.
func nothing() packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}}
}

// OnPacketEncode completes CONNACK.
func (h *hook) OnPacketEncode(cl *mochi.Client, pk packets.Packet) packets.Packet {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return pk
	}
	switch pk.FixedHeader.Type {
	case packets.Connack:
		d := c.device.Load()
		if d != nil && pk.ReasonCode == 0 {
			pk.SessionPresent = d.present
		}
		if cl.Properties.ProtocolVersion < 5 {
			pk.ReasonCode = returnCode(pk.ReasonCode)
			break
		}
		pk.Properties.MaximumPacketSize = uint32(h.server.packetLimit())
		pk.Properties.TopicAliasMaximum = maxAliases
		if d != nil && d.expiry == sessionExpiry {
			pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = uint32(sessionExpiry/time.Second), true
		}
	}
	return pk
}

// OnWillSent records a will. The library has published it already.
func (h *hook) OnWillSent(cl *mochi.Client, pk packets.Packet) {
	if c, ok := cl.Net.Conn.(*conn); ok {
		c.onWill(cl, pk)
	}
}
