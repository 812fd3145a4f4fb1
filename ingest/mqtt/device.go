package mqtt

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/downlink"
	"headgate/shardlog"
)

// device is a connection's session as far as it concerns what is sent to the
// device: its subscriptions, how far it is in the log, and what it has not
// answered yet. It is made when the device has shown who it is.
type device struct {
	conn    *conn
	client  string
	inbox   *downlink.Inbox
	expiry  time.Duration // of the session, after the device has left
	present bool          // the session is an old one
	turn    uint64
	window  int       // messages of QoS 1 and 2 that may wait for an answer
	largest int       // bytes of a packet that the device takes; zero: any
	since   time.Time // when it connected

	// Owned by note, once the device is ready.
	stale bool      // what is kept says that the device is away
	given uint64    // what the inbox had given when the session was noted last
	noted time.Time // when that was

	exact bool // owned by send: what it made ready goes out only once the session is kept

	keeping sync.Mutex // one at a time keeps the session, so that nothing older is kept after what is newer; taken before mu
	leaving sync.Once
	left    downlink.Session // what leave has answered

	mu       sync.Mutex
	ready    bool                  // CONNACK is out
	sending  bool                  // send runs
	more     bool                  // there was news while it did
	nextID   uint16                // of what is sent to the device
	out      []sent                // in the order of sending
	again    []downlink.Unanswered // sent over an earlier connection
	releases []uint16              // ids whose PUBREL is due
	retained []wanted              // retained messages to send
	ended    bool
}

// sent is a message that waits for the device's answer.
type sent struct {
	id       uint16
	place    downlink.Place // zero: a retained message
	received bool           // PUBREC came
}

// wanted is a retained message that a new subscription is given.
type wanted struct {
	topic string
	sub   downlink.Subscription
}

// mostInFlight is what is sent to a device before it answers, if it takes as much.
const mostInFlight = 32

// enlist begins or takes up the session of a device. Kinds as of
// shardlog.States: nothing is known of the session then.
func (s *Server) enlist(ctx context.Context, c *conn, p *peer, pk *packets.Packet) (*device, error) {
	d := &device{conn: c, client: p.id, expiry: expiryOf(pk), window: mostInFlight, since: s.now()}
	if rm := pk.Properties.ReceiveMaximum; pk.ProtocolVersion >= 5 && rm > 0 {
		d.window = min(d.window, int(rm))
	}
	if pk.ProtocolVersion >= 5 {
		d.largest = int(pk.Properties.MaximumPacketSize)
	}
	turn := s.turns.of(d.client)
	turn.Lock() // of the connections of one client id one at a time takes up its session
	defer turn.Unlock()
	s.mu.Lock()
	before := s.devices[d.client]
	s.mu.Unlock()
	var old downlink.Session
	there := false
	var err error
	if before != nil {
		old, there = before.leave(), true
		before.conn.end(packets.ErrSessionTakenOver)
	} else if old, there, err = s.find(ctx, d.client, !pk.Connect.Clean && d.expiry > 0); err != nil {
		return nil, err
	}
	if fresh := d.expiry > 0 && !there; fresh && s.kept.Add(1) > int64(s.cfg.MaxSessions) {
		s.kept.Add(-1)
		return nil, shardlog.Errorf(shardlog.LimitExceeded, "begin session", "%d sessions are kept, a new one must end with its connection", s.cfg.MaxSessions)
	}
	d.turn = old.Turn + 1
	d.inbox = s.follower.Open(d.client, d.wake)
	if there && !pk.Connect.Clean && old.Expiry > 0 {
		if err := d.resume(ctx, old); err != nil {
			s.follower.Close(d.inbox, nil)
			return nil, err
		}
	}
	s.mu.Lock()
	s.devices[d.client] = d
	s.mu.Unlock()
	d.stale, d.noted = !old.Left.IsZero(), s.now()
	moved := there && before == nil && old.At != s.cfg.Gateway
	if d.expiry > 0 && (!d.present || moved) || d.expiry == 0 && there && old.Expiry > 0 { // else what is kept is as good as it was
		if err := s.keep(ctx, d.session(false)); err != nil { // the device may work all the same: its session is kept when that can be
			s.cfg.Log.Warn("keep session", "client", d.client, "error", err)
		}
		d.stale = false
	}
	return d, nil
}

// find reads what is kept of a session. One that lasts, and is unknown or of
// another gateway, may be newer there than what is known here.
func (s *Server) find(ctx context.Context, client string, lasts bool) (one downlink.Session, there bool, err error) {
	one, there, err = s.store.Load(ctx, client, s.now())
	if err != nil || !lasts || there && one.At == s.cfg.Gateway {
		return one, there, err
	}
	if err := s.sessions.fence.pass(ctx); err != nil {
		return one, there, ctx.Err() // without a quorum this is what there is
	}
	return s.store.Load(ctx, client, s.now())
}

// expiryOf is how long a session lasts after its device has left.
func expiryOf(pk *packets.Packet) time.Duration {
	if pk.ProtocolVersion < 5 {
		if pk.Connect.Clean {
			return 0
		}
		return sessionExpiry
	}
	return lasting(pk.Properties.SessionExpiryInterval)
}

func lasting(seconds uint32) time.Duration {
	return min(time.Duration(seconds)*time.Second, sessionExpiry)
}

// resume takes up what is known of the session.
func (d *device) resume(ctx context.Context, old downlink.Session) error {
	d.present, d.nextID, d.again = true, old.NextID, old.Out
	d.inbox.Settle(old.Out, old.Done)
	return d.conn.server.follower.Resume(ctx, d.inbox, old.Subs, old.Starts, old.Newest)
}

// session is what is to be kept; left: the device goes.
func (d *device) session(left bool) downlink.Session {
	s := downlink.Session{Client: d.client, At: d.conn.server.cfg.Gateway, Turn: d.turn}
	if left {
		s.Left = d.conn.server.now()
	}
	d.mu.Lock()
	s.Expiry, s.NextID = d.expiry, d.nextID
	s.Out = slices.Clone(d.again)
	for _, one := range d.out {
		if one.place != (downlink.Place{}) {
			s.Out = append(s.Out, downlink.Unanswered{ID: one.id, Place: one.place, Received: one.received})
		}
	}
	d.mu.Unlock()
	// In this order: what is settled meanwhile is in Out, or in Done, or lies before
	// Starts, of the session and of its subscriptions.
	s.Done = d.inbox.Beyond()
	s.Newest = d.conn.server.follower.Newest()
	s.Starts, s.Subs = d.conn.server.follower.Starts(d.inbox), d.inbox.Subscriptions()
	return s
}

// keep stores a session, or forgets one that ends with its connection.
func (s *Server) keep(ctx context.Context, one downlink.Session) error {
	if one.Expiry == 0 {
		return s.store.Delete(ctx, one.Client)
	}
	return s.store.Save(ctx, one)
}

// leave ends the device's part of the connection, once, and answers where its
// session goes on.
func (d *device) leave() downlink.Session {
	d.leaving.Do(func() {
		d.keeping.Lock()
		defer d.keeping.Unlock()
		d.mu.Lock()
		d.ended = true
		d.mu.Unlock()
		d.left = d.session(true)
		d.conn.server.follower.Close(d.inbox, d.left.Out)
	})
	return d.left
}

// isLast reports whether no other connection has taken the device's place.
func (s *Server) isLast(d *device) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.devices[d.client] == d
}

// dismiss forgets a device whose connection has ended, unless another has
// taken its place.
func (s *Server) dismiss(d *device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.devices[d.client] == d {
		delete(s.devices, d.client)
	}
}

// farewell keeps the session of a device that has gone. Until that is done a
// connection that follows takes it up from here.
func (s *Server) farewell(ctx context.Context, d *device) {
	defer s.dismiss(d)
	one := d.leave()
	if !s.isLast(d) || one.Expiry == 0 {
		return // another connection has the session, or nothing is kept of it
	}
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	if err := s.keep(ctx, one); err != nil && shardlog.KindOf(err) != shardlog.Moved {
		s.cfg.Log.Warn("keep session", "client", d.client, "error", err)
	}
}

// noteAgain is how old a note may become of a session that was given nothing: so
// much it would read past when it goes on.
const noteAgain = 6 * time.Hour

// note keeps how far the devices that are here have come, so that a crash
// sends them little again.
func (s *Server) note(ctx context.Context) {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.devices))
	s.mu.Unlock()
	for _, d := range all {
		d.mu.Lock()
		idle := !d.ready || d.ended || d.expiry == 0
		d.mu.Unlock()
		if idle || ctx.Err() != nil {
			continue
		}
		// Who was given nothing has nothing to be sent again, wherever it goes on.
		given, now := d.inbox.Given(), s.now()
		if !d.stale && given == d.given && now.Sub(d.noted) < noteAgain {
			continue
		}
		switch err := d.keep(ctx); {
		case err == nil:
			d.stale, d.given, d.noted = false, given, now
		case shardlog.KindOf(err) == shardlog.Moved:
			_ = d.conn.Close() // the device is connected elsewhere by now
		default:
			s.cfg.Log.Warn("note session", "client", d.client, "error", err)
			return
		}
	}
}

// write sends whole packets to the device.
func (d *device) write(b []byte) {
	if len(b) == 0 || d.conn.gone() {
		return
	}
	_, _ = d.conn.send(b) // a write that fails ends the connection
}

// encoded appends a packet; what cannot be encoded is left out and logged.
func (d *device) encoded(b *bytes.Buffer, pk *packets.Packet, encode func(*packets.Packet, *bytes.Buffer) error) bool {
	before := b.Len()
	if err := encode(pk, b); err != nil || d.largest > 0 && b.Len()-before > d.largest {
		b.Truncate(before)
		d.conn.server.cfg.Log.Debug("message not sent", "client", d.client, "topic", pk.TopicName, "error", err)
		return false
	}
	return true
}

// version is the protocol version of the device.
func (d *device) version() byte { return d.conn.version() }

// retainedSpace holds the retained messages, by topic.
const retainedSpace shardlog.Space = "mqtt.retained"
