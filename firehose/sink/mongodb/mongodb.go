// Package mongodb delivers records as documents to a collection of MongoDB, or
// of a server that speaks its protocol: each under an _id that is the same in
// every attempt. It does not know when batches are made, nor what documents mean.
package mongodb

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"headgate/firehose"
	"headgate/shardlog"
)

// Config names a collection and who may write to it. There are no connection
// strings: what mongodb+srv would look up in the DNS is written down here.
type Config struct {
	Hosts      []string // host:port of one or several members
	ReplicaSet string   // empty: whatever the host says that it belongs to
	Direct     bool     // talk to the one host only, also when it names others that cannot be reached from here
	Database   string
	Collection string

	Username   string // empty: nobody
	Password   string
	AuthSource string      // the database that knows the user; empty: admin
	Mechanism  string      // SCRAM-SHA-256, SCRAM-SHA-1, PLAIN or MONGODB-X509; empty: the better SCRAM of those the server has
	TLS        *tls.Config // nil: none

	// Key is the field, dotted if it lies deeper, whose value becomes the _id:
	// the collection then holds the latest document of each key, by arrival.
	// Empty: every record is a document of its own.
	Key string
	// Wrap is the field that holds what is not a JSON object, as text or, when
	// it is not UTF-8, as bytes. Empty: such records are refused.
	Wrap string

	Dial func(ctx context.Context, network, address string) (net.Conn, error) // nil: the system's
}

// Sink is a collection.
type Sink struct {
	c       Config
	name    string
	options *options.ClientOptions

	mu     sync.Mutex
	client *mongo.Client // nil until somebody asks; guarded by mu
	closed bool          // guarded by mu
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	o := clientOptions(c)
	if err := o.Validate(); err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open MongoDB sink", "%w", err)
	}
	return &Sink{c: c, name: "mongodb://" + strings.Join(c.Hosts, ",") + "/" + c.Database + "." + c.Collection, options: o}, nil
}

func (c Config) validate() error {
	invalid := func(text string, args ...any) error {
		return shardlog.Errorf(shardlog.Invalid, "open MongoDB sink", text, args...)
	}
	if len(c.Hosts) == 0 {
		return invalid("a host is needed")
	}
	for _, h := range c.Hosts {
		if host, port, err := net.SplitHostPort(h); err != nil || host == "" || port == "" || strings.ContainsAny(h, "/@?") {
			return invalid("a host is written host:port, without scheme, user or options")
		}
	}
	switch {
	case c.Database == "" || len(c.Database) > 63 || strings.ContainsAny(c.Database, "/\\. \"$*<>:|?\x00"):
		return invalid("%q cannot be a database", c.Database)
	case c.Collection == "" || strings.ContainsAny(c.Collection, "$\x00") || strings.HasPrefix(c.Collection, "system."):
		return invalid("%q cannot be a collection", c.Collection)
	case c.Direct && len(c.Hosts) > 1:
		return invalid("direct means one host")
	case c.Username == "" && c.Password != "":
		return invalid("there is a password and no user")
	case strings.HasPrefix(c.Wrap, "$") || strings.ContainsAny(c.Wrap, ".\x00") || c.Wrap == "_id" || c.Wrap == guardField:
		return invalid("%q cannot be a field to wrap in", c.Wrap)
	}
	if !slices.Contains([]string{"", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "MONGODB-X509"}, c.Mechanism) {
		return invalid("%q is no mechanism that is known", c.Mechanism)
	}
	for part := range strings.SplitSeq(c.Key, ".") {
		if c.Key != "" && (part == "" || strings.HasPrefix(part, "$") || strings.Contains(part, "\x00")) {
			return invalid("%q cannot be a key", c.Key)
		}
	}
	return nil
}

// maxDocument is what MongoDB takes as one document.
const maxDocument = 16 << 20

// Caps is MongoDB's limit of a document. Batches have none: they are written
// in chunks.
func (s *Sink) Caps() firehose.Caps { return firehose.Caps{RecordBytes: maxDocument} }

// String is the collection.
func (s *Sink) String() string { return s.name }

// Probe sees whether a primary answers, knows us and lets us look at the
// collection's name.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	client, err := s.connect()
	if err != nil {
		return classify(err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if err := client.Ping(ctx, nil); err != nil {
		return classify(err)
	}
	_, err = client.Database(s.c.Database).ListCollectionNames(ctx, bson.D{{Key: "name", Value: s.c.Collection}}, options.ListCollections().SetAuthorizedCollections(true))
	if err != nil {
		return classify(err)
	}
	return firehose.Result{Class: firehose.Delivered}
}
