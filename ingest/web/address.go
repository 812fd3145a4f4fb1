package web

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"headgate/shardlog"
)

// address is who sent the request: the other end of the connection, or, while
// that is a proxy of ours, who stands before it in X-Forwarded-For. The zero
// address when it cannot be told.
func (s *Server) address(r *http.Request) netip.Addr {
	end, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := end.Addr().Unmap().WithZone("")
	if !s.trusted(at) {
		return at
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if at = hop.Unmap().WithZone(""); !s.trusted(at) {
			break
		}
	}
	return at
}

func (s *Server) trusted(at netip.Addr) bool {
	for _, p := range s.cfg.Proxies {
		if p.Contains(at) {
			return true
		}
	}
	return false
}

// household is the address as limits count it: of IPv6 the first 64 bits, for
// one subscriber has all that lie behind them (RFC 6177).
func household(at netip.Addr) netip.Addr {
	if !at.Is6() {
		return at
	}
	p, err := at.Prefix(64)
	if err != nil {
		return at
	}
	return p.Addr()
}

// underway counts the requests whose bodies or records are on their way.
type underway struct {
	most, mostByAddress int

	mu        sync.Mutex
	total     int                // guarded by mu
	byAddress map[netip.Addr]int // guarded by mu
}

// enter lets one more in; leave must follow. Kind Throttled when this address
// has enough, Unavailable when all have.
func (u *underway) enter(from netip.Addr) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byAddress[from] >= u.mostByAddress {
		return &shardlog.Error{Kind: shardlog.Throttled, Op: "take request: too many at once from this address", RetryAfter: retrySoon}
	}
	if u.total >= u.most {
		return &shardlog.Error{Kind: shardlog.Unavailable, Op: "take request: too many at once", RetryAfter: retrySoon}
	}
	u.total++
	u.byAddress[from]++
	return nil
}

func (u *underway) leave(from netip.Addr) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.total--
	if u.byAddress[from]--; u.byAddress[from] == 0 {
		delete(u.byAddress, from)
	}
}

func (u *underway) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.total
}
