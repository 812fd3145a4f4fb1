// Package mqtt is the MQTT door: a broker whose PUBLISHes become records, and
// which acknowledges QoS 1 and 2 only after the log has them. It knows topics,
// packets and sockets; it does not know how records are stored.
package mqtt

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"headgate/ingest"
	"headgate/shardlog"
)

// Config is what a Server needs. Writer, Control, States, Reader and Catalog are required;
// everything else has a useful zero value.
type Config struct {
	Listen    []string    // TCP addresses; empty with ListenTLS empty too: 127.0.0.1:1883
	ListenTLS []string    // addresses served over TLS; they need TLS
	TLS       *tls.Config // used as it is, so certificates may be reloaded behind it

	Writer  shardlog.Writer
	Control shardlog.Control // makes the streams that routes lead to
	States  shardlog.States  // keeps packet ids of QoS 2, sessions, retained messages
	Reader  shardlog.Reader  // what subscribers are sent is read from the log
	Catalog shardlog.Catalog

	Routes *ingest.Routes // nil: everything to ingest.DefaultStream by client id

	// Foreign reads what another door keeps beside a record that is a message to a
	// topic, so that subscribers are sent it; nil: no door has any.
	Foreign func(meta []byte) (Meta, bool)

	// Services answer what is published to topics that begin with "$aws/", which
	// nobody publishes to otherwise. What they announce lies in
	// ingest.AnnounceStream.
	Services []ingest.Service

	// Authenticate decides about each connection and may be called from many
	// goroutines at once. Nil: loopback addresses are let in, nobody else.
	Authenticate func(Login) bool

	// Origins are those of pages that may connect by WebSocket from another site
	// ("https://app.example"; "*": all).
	Origins []string

	// Gateway is this one of the site, as sessions name where their device is.
	Gateway uint64

	// Now is what sessions and messages expire by. Nil: time.Now.
	Now func() time.Time

	// Admit lets a device in that Authenticate has not refused, and says what it
	// may do: nil, everything. Its error keeps the device out: Kind Throttled, it
	// may come again later. Nil: everybody may do everything.
	Admit func(ctx context.Context, l Login) (Guard, error)

	Log *slog.Logger // nil: silent

	MaxConnections int           // zero: 16,384
	MaxPerAddress  int           // connections from one address, or one /64 of IPv6, this machine apart; zero: 4,096
	MaxSessions    int           // of the site that outlast their connection, about; zero: 65,536
	MessageRate    int           // PUBLISHes a second of one device, with a burst of one second; zero: as many as the log takes
	ByteRate       int           // bytes of them a second, likewise
	MaxPayload     int           // bytes of payload and partition key; zero: shardlog.DefaultRecordBytes
	Window         int           // messages of one connection that wait for the log, 1 to 65,535; zero: 1,024
	WindowBytes    int           // the same in bytes; zero: 512 KiB
	PendingBytes   int           // the same over all connections; zero: 64 MiB
	ConnectTimeout time.Duration // until CONNECT is complete, TLS included; zero: 10 s
	WriteTimeout   time.Duration // for a device to take what is written to it; zero: 10 s
	DrainTimeout   time.Duration // for open acknowledgements when Run ends; zero: 5 s
	Lease          time.Duration // for which a gateway that is not heard of keeps shared subscriptions; zero: 30 s
}

// Login is what a device presents when it connects.
type Login struct {
	ClientID string
	Username string
	Password []byte // nil: none was sent; the callee must not keep it
	Remote   net.Addr
	TLS      *tls.ConnectionState // nil without TLS
}

// Guard is what one connected device may do. Its methods are called from many
// goroutines, for each message, and must not wait.
type Guard interface {
	Device() string // its id, for a client id that the device left empty
	Publish(topic string) bool
	Subscribe(filter string) bool // as the device names it, $share/… too
	Receive(topic string) bool
	Ended() <-chan struct{} // closed when the device may no longer be connected
	Close()                 // the connection has ended
}

// Limits that are not worth a setting.
const (
	maxConnect    = 16 << 10  // bytes of CONNECT, which comes before authentication
	maxOverhead   = 128 << 10 // bytes of a packet beyond its payload: topic and properties
	maxTopic      = 512       // bytes
	maxClientID   = 256       // bytes; it is a partition key and part of a state key
	maxMeta       = 8 << 10   // bytes; quotas do not count them
	maxFilters    = 64        // of one SUBSCRIBE
	maxSubs       = 256       // of one session
	maxSubBytes   = 16 << 10  // of their filters: a session is a row of small state
	maxRetained   = 4096      // messages
	maxRetainedAt = 16 << 10  // bytes of one retained payload
	maxUnreleased = 16 << 10  // QoS 2 ids of one session
	maxAliases    = 32        // topic aliases of one connection
	sessionExpiry = 7 * 24 * time.Hour
)

// Validate fills in defaults and answers Invalid when something is missing or
// out of range.
func (c *Config) Validate() error {
	if c.Writer == nil || c.Control == nil || c.States == nil || c.Reader == nil || c.Catalog == nil {
		return shardlog.Errorf(shardlog.Invalid, "configure mqtt", "writer, control, states, reader and catalog are required")
	}
	if len(c.ListenTLS) > 0 && c.TLS == nil {
		return shardlog.Errorf(shardlog.Invalid, "configure mqtt", "TLS addresses without TLS settings")
	}
	if c.Window < 0 || c.Window > 65535 || c.WindowBytes < 0 || c.PendingBytes < 0 || c.MaxConnections < 0 ||
		c.MaxPerAddress < 0 || c.MaxSessions < 0 || c.MessageRate < 0 || c.ByteRate < 0 || c.MaxPayload < 0 || c.MaxPayload > 64<<20 {
		return shardlog.Errorf(shardlog.Invalid, "configure mqtt", "a limit is out of range")
	}
	if len(c.Listen) == 0 && len(c.ListenTLS) == 0 {
		c.Listen = []string{"127.0.0.1:1883"}
	}
	if c.Routes == nil {
		routes, err := ingest.NewRoutes(nil)
		if err != nil {
			return err
		}
		c.Routes = routes
	}
	if c.Authenticate == nil {
		c.Authenticate = fromLoopback
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	fill(&c.MaxConnections, 16<<10)
	fill(&c.MaxPerAddress, 4096)
	fill(&c.MaxSessions, 64<<10)
	fill(&c.MaxPayload, shardlog.DefaultRecordBytes)
	fill(&c.Window, 1024)
	fill(&c.WindowBytes, 512<<10)
	fill(&c.PendingBytes, 64<<20)
	fill(&c.ConnectTimeout, 10*time.Second)
	fill(&c.WriteTimeout, 10*time.Second)
	fill(&c.DrainTimeout, 5*time.Second)
	return nil
}

// fill gives a setting that is zero its default.
func fill[T int | time.Duration](setting *T, standard T) {
	if *setting == 0 {
		*setting = standard
	}
}

// fromLoopback lets in who connects from this machine.
func fromLoopback(l Login) bool {
	a, ok := l.Remote.(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}
