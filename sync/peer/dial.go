package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"headgate/shardlog"
)

// What a connection is for is chosen by ALPN. After the handshake the one who
// was called greets (greeting.go); only then do the two speak the protocol.
const (
	protoRaft  = "headgate-raft/1" // the bytes of the consensus
	protoCalls = "headgate-h2/1"   // HTTP/2
	protoJoin  = "headgate-join/1" // one question, one answer; no client certificate
)

// dial connects to a gateway for a protocol, and lets check judge who it is.
// Any error means that nothing was received there: Kind Unavailable, or what
// the other said when it refused (Denied for a gateway that was removed).
func (l *Links) dial(ctx context.Context, address, protocol string, check func(id string) error) (*conn, error) {
	l.mu.Lock()
	err := l.wanted()
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.c.Patience)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, unreachable(address, err)
	}
	c, err := l.keep(raw, false)
	if err != nil {
		return nil, err
	}
	id := ""
	secured, err := secure(ctx, raw, &tls.Config{
		NextProtos:           []string{protocol},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return l.c.Certificate(), nil },
		VerifyConnection: func(s tls.ConnectionState) (err error) {
			if id, err = l.c.Verify(rawCertificates(s)); err == nil {
				err = check(id)
			}
			return err
		},
	})
	if err == nil {
		c.Conn = secured
		err = l.name(c, id)
	}
	if err != nil {
		c.sever()
		l.forget(c)
		return nil, unreachable(address, err)
	}
	return c, nil
}

// secure does the handshake of the one who calls, up to and with the greeting.
// The config's VerifyConnection alone decides who is believed.
func secure(ctx context.Context, raw net.Conn, c *tls.Config) (*tls.Conn, error) {
	c.MinVersion = tls.VersionTLS13
	c.InsecureSkipVerify = true // names and dates say nothing here: VerifyConnection decides
	c.SessionTicketsDisabled = true
	secured := tls.Client(raw, c)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if got := secured.ConnectionState().NegotiatedProtocol; got != c.NextProtos[0] {
		return nil, fmt.Errorf("it does not speak %s", c.NextProtos[0])
	}
	deadline, _ := ctx.Deadline()
	_ = raw.SetReadDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = raw.SetReadDeadline(time.Unix(1, 0)) })
	err := readGreeting(secured)
	if !stop() {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	return secured, raw.SetReadDeadline(time.Time{})
}

func rawCertificates(s tls.ConnectionState) [][]byte {
	var raw [][]byte
	for _, c := range s.PeerCertificates {
		raw = append(raw, c.Raw)
	}
	return raw
}

// refusal is an error that the gateway at the other end gave in its greeting.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// unreachable is what a dial that did not succeed answers.
func unreachable(address string, err error) error {
	var refused refusal
	if errors.As(err, &refused) && shardlog.KindOf(refused) == shardlog.Denied {
		return &shardlog.Error{Kind: shardlog.Denied, Op: "reach " + address, Err: err}
	}
	return &shardlog.Error{Kind: shardlog.Unavailable, Op: "reach " + address, RetryAfter: shardlog.RetryAfter(err), Err: err}
}

// addressOf is where a gateway listens. Kind Unavailable for one that is not,
// or not yet, a member; Denied for one that was removed.
func (l *Links) addressOf(id string) (string, error) {
	if l.c.Removed(id) {
		return "", shardlog.Errorf(shardlog.Denied, "reach gateway "+id, "it was removed from the site")
	}
	for _, m := range l.c.Members() {
		if m.ID == id && m.Address != "" {
			return m.Address, nil
		}
	}
	return "", shardlog.Errorf(shardlog.Unavailable, "reach gateway "+id, "no member of the site is known by this id")
}

// dialID connects to a gateway by its id, and to no other at its address.
func (l *Links) dialID(ctx context.Context, id, address, protocol string) (*conn, error) {
	return l.dial(ctx, address, protocol, func(got string) error {
		if got != id {
			return fmt.Errorf("gateway %s is there, not %s", got, id)
		}
		return nil
	})
}

// DialRaft connects to the consensus of the gateway at that address. When a
// member is known to be there, it must be that one, otherwise any gateway of
// the site but this one and those removed. It is what raftgroup wants as its Dial. Kinds:
// Unavailable; Denied when this one was removed.
func (l *Links) DialRaft(ctx context.Context, address string) (net.Conn, error) {
	var known []string // two, while one takes the place of another
	for _, m := range l.c.Members() {
		if m.Address == address {
			known = append(known, m.ID)
		}
	}
	return asConn(l.dial(ctx, address, protoRaft, func(got string) error {
		if got == l.c.ID || l.c.Removed(got) || len(known) > 0 && !slices.Contains(known, got) {
			return fmt.Errorf("gateway %s is there, and not %s", got, strings.Join(known, " or "))
		}
		return nil
	}))
}

// asConn keeps a nil *conn from becoming a net.Conn that is not nil.
func asConn(c *conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// RaftListener is where the consensus takes the connections of other gateways.
// There is one at a time: a call answers a new one when the last was closed.
func (l *Links) RaftListener() net.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.raft == nil || l.raft.isClosed() {
		l.raft = newQueue(l.c.Listener.Addr())
	}
	return l.raft
}
