package mongodb

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// How long to wait for what. The whole of a write is not bounded: a chunk of
// 4 MiB takes an hour where only an old modem has coverage.
const (
	dialTime   = 15 * time.Second
	selectTime = 15 * time.Second // for a primary to be found
	stallTime  = time.Minute      // without a byte leaving
	answerTime = 2 * time.Minute  // from the last byte to the answer
	probeTime  = 30 * time.Second
	beatTime   = time.Minute // between looks at an idle server: they cost bytes
	idleTime   = 5 * time.Minute
	closeTime  = 5 * time.Second
)

// clientOptions are the driver's, for a small machine on a costly line. It
// does not retry writes: the delivery does, ids make it harmless, and servers
// without sessions refuse the transaction numbers that the driver would send.
func clientOptions(c Config) *options.ClientOptions {
	o := options.Client().SetHosts(c.Hosts).SetAppName("headgate").
		SetRetryWrites(false).SetRetryReads(false).
		SetWriteConcern(writeconcern.Majority()).SetReadPreference(readpref.Primary()).
		SetMaxPoolSize(4).SetMaxConnecting(2).SetMaxConnIdleTime(idleTime).
		SetConnectTimeout(dialTime).SetServerSelectionTimeout(selectTime).
		SetHeartbeatInterval(beatTime).SetServerMonitoringMode(options.ServerMonitoringModePoll).
		SetDisableOCSPEndpointCheck(true). // it would go past Dial
		SetDialer(patient{c.Dial})
	if c.Direct {
		o.SetDirect(true)
	}
	if c.ReplicaSet != "" {
		o.SetReplicaSet(c.ReplicaSet)
	}
	if c.TLS != nil {
		o.SetTLSConfig(c.TLS.Clone())
	}
	if c.Username != "" || c.Mechanism != "" {
		o.SetAuth(options.Credential{
			AuthMechanism: c.Mechanism, AuthSource: c.AuthSource,
			Username: c.Username, Password: c.Password, PasswordSet: c.Password != "",
		})
	}
	return o
}

var errClosed = errors.New("the sink is closed")

// connect makes the client when it is first needed: from then on it watches
// its servers.
func (s *Sink) connect() (*mongo.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.client == nil {
		client, err := mongo.Connect(s.options)
		if err != nil {
			return nil, err
		}
		s.client = client
	}
	return s.client, nil
}

// Close gives the connections up.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	client := s.client
	s.client = nil
	return client.Disconnect(ctx)
}

// patient dials connections that wait for slow links, not for dead ones.
type patient struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// DialContext dials.
func (p patient) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dial := p.dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTime, KeepAlive: idleTime / 10}).DialContext
	}
	c, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &moving{Conn: c}, nil
}

// moving is a connection on which bytes must get somewhere. Deadlines that the
// driver sets go before its own.
type moving struct {
	net.Conn
	reading, writing atomic.Bool // the driver has set a deadline
}

// SetDeadline takes the driver's deadline.
func (m *moving) SetDeadline(t time.Time) error {
	m.reading.Store(!t.IsZero())
	m.writing.Store(!t.IsZero())
	return m.Conn.SetDeadline(t)
}

// SetReadDeadline takes the driver's deadline.
func (m *moving) SetReadDeadline(t time.Time) error {
	m.reading.Store(!t.IsZero())
	return m.Conn.SetReadDeadline(t)
}

// SetWriteDeadline takes the driver's deadline.
func (m *moving) SetWriteDeadline(t time.Time) error {
	m.writing.Store(!t.IsZero())
	return m.Conn.SetWriteDeadline(t)
}

// Read fails when nothing comes for answerTime.
func (m *moving) Read(p []byte) (int, error) {
	if !m.reading.Load() {
		if err := m.Conn.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
			return 0, err
		}
	}
	return m.Conn.Read(p)
}

// writePiece is small enough for a slow link to take within stallTime.
const writePiece = 16 << 10

// Write fails when the link takes nothing for stallTime.
func (m *moving) Write(p []byte) (int, error) {
	if m.writing.Load() {
		return m.Conn.Write(p)
	}
	written := 0
	for len(p) > 0 {
		if err := m.Conn.SetWriteDeadline(time.Now().Add(stallTime)); err != nil {
			return written, err
		}
		n, err := m.Conn.Write(p[:min(len(p), writePiece)])
		if written += n; err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}
