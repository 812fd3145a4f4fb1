package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/shardlog"
)

// What strangers can hold of this gateway, and what one peer can.
const (
	maxHandshakes   = 64 // connections that are being set up
	maxPerAddress   = 16 // of them, from one address
	maxPerPeer      = 32 // connections of one gateway
	maxJoining      = 4  // newcomers that are served
	maxAcceptPause  = time.Second
	firstAcceptWait = 5 * time.Millisecond
)

// accept takes connections until ctx ends. A failure to accept passes (no file
// left, mostly), so it is waited out, ever longer.
func (l *Links) accept(ctx context.Context) error {
	var setups errgroup.Group // ends with the connections, which close severs
	defer setups.Wait()
	setups.SetLimit(maxHandshakes)
	crowd := crowd{at: map[netip.Addr]int{}}
	pause := firstAcceptWait
	for {
		raw, err := l.c.Listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("accept peers: %w", err)
			}
			l.c.Log.Warn("peers cannot be accepted", "error", err, "again in", pause)
			if !wait(ctx, pause) {
				return nil
			}
			pause = min(2*pause, maxAcceptPause)
			continue
		}
		pause = firstAcceptWait
		l.counters.accepted.Add(1)
		from := addressOf(raw)
		taken := crowd.enter(from)
		if !taken || !setups.TryGo(func() error { defer crowd.leave(from); l.setUp(ctx, raw, from); return nil }) {
			if taken {
				crowd.leave(from)
			}
			l.counters.failed.Add(1)
			_ = raw.Close()
		}
	}
}

// wait pauses, and reports whether the context goes on.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// crowd counts the connections that are being set up by address.
type crowd struct {
	mu sync.Mutex
	at map[netip.Addr]int // guarded by mu
}

func (c *crowd) enter(a netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at[a] >= maxPerAddress {
		return false
	}
	c.at[a]++
	return true
}

func (c *crowd) leave(a netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at[a]--; c.at[a] == 0 {
		delete(c.at, a)
	}
}

// addressOf is the remote address without its port; of IPv6 only the network,
// because one host has 2^64 addresses.
func addressOf(c net.Conn) netip.Addr {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// setUp does the handshake of one connection and hands it to whom it is for.
func (l *Links) setUp(ctx context.Context, raw net.Conn, from netip.Addr) {
	c, err := l.keep(raw, true)
	if err != nil {
		return
	}
	_ = raw.SetDeadline(time.Now().Add(l.c.Patience))
	secured := tls.Server(raw, l.serverConfig())
	if err := secured.HandshakeContext(ctx); err != nil {
		l.counters.failed.Add(1)
		l.c.Log.Debug("handshake with a peer", "from", raw.RemoteAddr(), "error", err)
		l.drop(c)
		return
	}
	c.Conn = secured
	state := secured.ConnectionState()
	if state.NegotiatedProtocol == protoJoin {
		l.serveJoin(ctx, c, from)
		return
	}
	to, err := l.receiver(c, state)
	if greeted := writeGreeting(secured, err); err == nil && greeted == nil {
		_ = raw.SetDeadline(time.Time{})
		to.offer(c, l.c.Patience)
		return
	}
	if err != nil {
		l.counters.refused.Add(1)
		l.c.Log.Debug("peer refused", "from", raw.RemoteAddr(), "error", err)
	}
	_ = c.Close()
}

func (l *Links) drop(c *conn) {
	c.sever()
	l.forget(c)
}

// receiver says who takes the connection, or why nobody does.
func (l *Links) receiver(c *conn, state tls.ConnectionState) (*queue, error) {
	id, err := l.c.Verify(rawCertificates(state))
	if err != nil {
		return nil, err
	}
	if l.c.Removed(id) {
		return nil, shardlog.Errorf(shardlog.Denied, "link", "gateway %s was %w", id, ErrRemoved)
	}
	if id == l.c.ID {
		return nil, shardlog.Errorf(shardlog.Denied, "link", "gateway %s is this gateway", id)
	}
	if err := l.name(c, id); err != nil {
		return nil, err
	}
	if state.NegotiatedProtocol == protoCalls {
		return l.calls, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.raft == nil || l.raft.isClosed() {
		return nil, shardlog.Errorf(shardlog.Unavailable, "link", "the consensus does not run here")
	}
	return l.raft, nil
}

// serverConfig asks everybody for a certificate but newcomers, who have none.
// The handshake proves only that the key is theirs; whose it is is judged
// after it, so that the greeting can say what is wrong.
func (l *Links) serverConfig() *tls.Config {
	member := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{protoRaft, protoCalls},
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return l.c.Certificate(), nil },
	}
	newcomer := member.Clone()
	newcomer.NextProtos, newcomer.ClientAuth = []string{protoJoin}, tls.NoClientCert
	member.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		switch {
		case len(h.SupportedProtos) == 0:
			return nil, errors.New("it does not say what it wants to speak")
		case slices.Contains(h.SupportedProtos, protoJoin):
			return newcomer, nil
		}
		return nil, nil
	}
	return member
}
