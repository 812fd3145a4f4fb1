// Package syslog is the syslog door: RFC 5424 and RFC 3164 messages that come
// over UDP, TCP and TLS become records of one stream. It knows datagrams,
// frames and message headers; it does not know what messages mean, and it does
// not know how records are stored.
package syslog

import (
	"crypto/tls"
	"log/slog"
	"net/netip"
	"time"

	"headgate/shardlog"
)

// DefaultStream takes the messages unless Config names another.
const DefaultStream shardlog.StreamName = "syslog"

// Key says what a message's partition key is, and so which messages keep
// their order.
type Key string

// The keys. What a message lacks is replaced by the address it came from.
const (
	ByHostname Key = "hostname" // the HOSTNAME of its header
	ByApp      Key = "app"      // hostname, a slash and the APP-NAME or TAG
	BySource   Key = "source"   // the IP address it came from
)

// Config is what a Server needs. Writer and Control are required; everything
// else has a useful zero value.
type Config struct {
	UDP       []string    // addresses; UDP, TCP and TLS all empty: 127.0.0.1:5514, UDP and TCP
	TCP       []string    // addresses
	TLS       []string    // addresses; they need TLSConfig
	TLSConfig *tls.Config // used as it is, so certificates may be reloaded behind it

	Writer  shardlog.Writer
	Control shardlog.Control    // makes the stream
	Stream  shardlog.StreamName // empty: DefaultStream
	Shards  int                 // of the stream if it has to be made; zero: the log's choice
	Key     Key                 // empty: ByHostname

	// Sources are the addresses that may send; empty: loopback alone. A client
	// whose certificate TLSConfig has verified may send from anywhere.
	Sources []netip.Prefix

	Log *slog.Logger // nil: silent

	MaxConnections int // zero: 1,024
	MaxPerSource   int // connections of one address (IPv6: of one /64); zero: 64
	MaxMessage     int // bytes; what is longer is cut there (RFC 5424, 6.1); zero: 64 KiB
	RatePerSource  int // messages a second, burst of one second; zero: 10,000; negative: any

	Window       int // messages of one connection that wait for the log; zero: 1,024
	WindowBytes  int // the same in bytes; zero: 512 KiB
	PendingBytes int // the same over all connections; zero: 64 MiB
	UDPQueue     int // datagrams that wait for the log; zero: 16,384
	UDPBytes     int // the same in bytes; zero: 16 MiB

	HandshakeTimeout time.Duration // of TLS; zero: 10 s
	FrameTimeout     time.Duration // for the rest of a message that has begun; zero: 30 s
	DrainTimeout     time.Duration // for what was read to be stored when Run ends; zero: 5 s
}

// mostMessage is what fits into a record beside the longest key.
const mostMessage = shardlog.DefaultRecordBytes - 4*shardlog.MaxPartitionKey

// Validate fills in defaults and answers Invalid when something is missing or
// out of range.
func (c *Config) Validate() error {
	bad := func(why string) error { return shardlog.Errorf(shardlog.Invalid, "configure syslog", "%s", why) }
	if c.Writer == nil || c.Control == nil {
		return bad("writer and control are required")
	}
	if len(c.TLS) > 0 && c.TLSConfig == nil {
		return bad("TLS addresses without TLS settings")
	}
	if len(c.UDP)+len(c.TCP)+len(c.TLS) == 0 {
		c.UDP, c.TCP = []string{"127.0.0.1:5514"}, []string{"127.0.0.1:5514"}
	}
	if c.Stream == "" {
		c.Stream = DefaultStream
	}
	if err := c.Stream.Check(); err != nil {
		return err
	}
	if c.Stream.Own() {
		return bad("stream " + string(c.Stream) + " is the gateway's own")
	}
	if c.Shards < 0 || c.Shards > shardlog.MaxShardsByStream {
		return bad("shards out of range")
	}
	switch c.Key {
	case "":
		c.Key = ByHostname
	case ByHostname, ByApp, BySource:
	default:
		return bad("key " + string(c.Key) + ": hostname, app and source are known")
	}
	return c.limits()
}

// limits checks and fills in the numbers.
func (c *Config) limits() error {
	for _, n := range []int{c.MaxConnections, c.MaxPerSource, c.MaxMessage, c.Window, c.WindowBytes, c.PendingBytes,
		c.UDPQueue, c.UDPBytes, int(c.HandshakeTimeout), int(c.FrameTimeout), int(c.DrainTimeout)} {
		if n < 0 {
			return shardlog.Errorf(shardlog.Invalid, "configure syslog", "a limit is negative")
		}
	}
	if c.MaxMessage > mostMessage {
		return shardlog.Errorf(shardlog.Invalid, "configure syslog", "messages of %d bytes, %d fit into a record", c.MaxMessage, mostMessage)
	}
	if len(c.Sources) == 0 {
		c.Sources = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	fill(&c.MaxConnections, 1024)
	fill(&c.MaxPerSource, 64)
	fill(&c.MaxMessage, 64<<10)
	fill(&c.RatePerSource, 10_000)
	fill(&c.Window, 1024)
	fill(&c.WindowBytes, 512<<10)
	fill(&c.PendingBytes, 64<<20)
	fill(&c.UDPQueue, 16<<10)
	fill(&c.UDPBytes, 16<<20)
	fill(&c.HandshakeTimeout, 10*time.Second)
	fill(&c.FrameTimeout, 30*time.Second)
	fill(&c.DrainTimeout, 5*time.Second)
	return nil
}

// fill gives a setting that is zero its default.
func fill[T int | time.Duration](setting *T, standard T) {
	if *setting == 0 {
		*setting = standard
	}
}

// allowed reports whether the address may send.
func (c *Config) allowed(from netip.Addr) bool {
	for _, p := range c.Sources {
		if p.Contains(from) {
			return true
		}
	}
	return false
}
