// Package web is an HTTP door for clickstreams and simple devices: curl, a
// page's sendBeacon, anything that can POST. Site keys say who may write
// where. It does not know how records are stored, and it opens no port: it is
// an http.Handler.
package web

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"headgate/ingest"
	"headgate/shardlog"
)

// Config is what a Server needs.
type Config struct {
	Writer shardlog.Writer
	// Control makes the streams that sites and Routes name when they are
	// missing; nil: they are answered 404.
	Control shardlog.Control
	// Routes lead from a topic to a stream; nil: POST /topics is 404.
	Routes *ingest.Routes

	Sites []Site
	// Anonymous takes what comes without a key; nil: a key is needed. Its Key
	// must be empty.
	Anonymous *Site

	MaxBody          int // bytes of a body as sent; zero: 1 MiB
	MaxAnonymousBody int // of one without a key; zero: 64 KiB, what browsers let a beacon have
	MaxUnpacked      int // bytes of a body out of gzip, in multiples of what it may have as sent; zero: 4
	MaxRecords       int // of one request; zero: 8192
	MaxRequests      int // under way; zero: 256
	MaxByAddress     int // under way from one address; zero: a quarter of MaxRequests
	MaxMemory        int // bytes of all bodies under way; zero: 64 MiB

	BodyTime time.Duration // until a body has to be there; zero: 30 s
	PutTime  time.Duration // until the log has to answer; zero: 30 s

	// Proxies are those whose X-Forwarded-For is believed; none: nobody's.
	Proxies []netip.Prefix

	Log *slog.Logger     // nil: slog.Default
	Now func() time.Time // nil: time.Now
}

// Server is the door. It is an http.Handler, safe for concurrent use, and owns
// no goroutines.
type Server struct {
	cfg    Config
	sites  *sites
	memory *semaphore.Weighted
	under  underway
	stats  counters
	script script
	serial atomic.Uint64 // of keys that are made up
	seed   string        // of this process's made-up keys
}

// New makes a Server. Kind Invalid: a site is malformed or two have the same
// name or key.
func New(c Config) (*Server, error) {
	if c.Writer == nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "make web door", "no Writer")
	}
	for _, n := range []struct {
		field *int
		usual int
	}{
		{&c.MaxBody, 1 << 20}, {&c.MaxAnonymousBody, 64 << 10}, {&c.MaxUnpacked, 4}, {&c.MaxRecords, 8192},
		{&c.MaxRequests, 256}, {&c.MaxMemory, 64 << 20},
	} {
		if *n.field < 0 {
			return nil, shardlog.Errorf(shardlog.Invalid, "make web door", "a limit is negative")
		}
		if *n.field == 0 {
			*n.field = n.usual
		}
	}
	if c.MaxByAddress <= 0 {
		c.MaxByAddress = max(1, c.MaxRequests/4)
	}
	if c.BodyTime <= 0 {
		c.BodyTime = 30 * time.Second
	}
	if c.PutTime <= 0 {
		c.PutTime = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if most := c.MaxBody*(c.MaxUnpacked+1) + c.MaxRecords*costOfRecord + 8; c.MaxMemory < most {
		return nil, shardlog.Errorf(shardlog.Invalid, "make web door", "MaxMemory of %d bytes: one body may take %d", c.MaxMemory, most)
	}
	known, err := compile(c.Sites, c.Anonymous, c.Routes)
	if err != nil {
		return nil, err
	}
	return &Server{
		cfg: c, sites: known, memory: semaphore.NewWeighted(int64(c.MaxMemory)), script: loadScript(), seed: newSeed(),
		under: underway{most: c.MaxRequests, mostByAddress: c.MaxByAddress, byAddress: map[netip.Addr]int{}},
	}, nil
}
