// Package redshift delivers to a table of Amazon Redshift: it puts the batch
// into a bucket by way of another sink, and has the table COPY it from there
// in one transaction with a ledger of the batches that were loaded. It does
// not know how the bucket is written to, nor what the columns mean.
package redshift

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"headgate/firehose"
	"headgate/shardlog"
)

// Config names a table, who may load it, and where the bucket is.
type Config struct {
	Stage firehose.Sink // writes to the bucket; the sink closes it
	URL   string        // how Redshift names the bucket: s3://bucket/, with the prefix if Stage adds one

	Host     string // host:port; Redshift's port is 5439
	Database string
	User     string
	Password string
	Security Security    // of the connection
	TLS      *tls.Config // nil: the system's authorities; not used with Disable

	Table   string   // of the search path, or schema.table
	Columns []string // empty: those that the JSON names
	Ledger  string   // empty: headgate_batches; one for each delivery keeps them from waiting for each other

	// Who Redshift is for the bucket: a role (its ARN, several with commas to
	// chain them, or "default"), or a pair of keys with or without a token.
	Role         string
	AccessKey    string
	SecretKey    string
	SessionToken string

	Region  string // of the bucket; empty: the cluster's
	Options string // of COPY; empty: FORMAT JSON 'auto'. Compression is added by itself

	// Aside is a part of the names of objects that are staged and not loaded,
	// as those of refused records. Empty: processing-failed/
	Aside string

	Dial func(ctx context.Context, network, address string) (net.Conn, error) // nil: the system's

	Data *DataAPI // instead of a connection to Host; nil: connect
}

// Security is what a connection must be.
type Security string

// The securities, by the names that psql has for them.
const (
	VerifyFull Security = "verify-full" // encrypted, with a certificate for the host; this is the default
	VerifyCA   Security = "verify-ca"   // encrypted, with a certificate of a known authority
	Require    Security = "require"     // encrypted, with whomsoever
	Disable    Security = "disable"     // in the clear
)

// Sink is a table.
type Sink struct {
	c             Config
	table, ledger string // quoted
	columns       string // quoted, in parentheses; "" for all
	credentials   string // clause of COPY
	data          *data  // nil: by connections
}

var _ firehose.Sink = (*Sink)(nil)

// The defaults.
const (
	defaultLedger  = "headgate_batches"
	defaultOptions = "FORMAT JSON 'auto'"
	defaultAside   = "processing-failed/"
)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	if c.Security == "" {
		c.Security = VerifyFull
	}
	if c.Ledger == "" {
		c.Ledger = defaultLedger
	}
	if c.Options == "" {
		c.Options = defaultOptions
	}
	if c.Aside == "" {
		c.Aside = defaultAside
	}
	s := &Sink{c: c}
	for _, part := range []func() error{s.place, s.names, s.rights, s.options} {
		if err := part(); err != nil {
			return nil, shardlog.Errorf(shardlog.Invalid, "open Redshift sink", "%w", err)
		}
	}
	if c.Data != nil {
		var err error
		if s.data, err = s.openData(*c.Data); err != nil {
			return nil, shardlog.Errorf(shardlog.Invalid, "open Redshift sink", "%w", err)
		}
		return s, nil
	}
	if _, err := s.connection(); err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open Redshift sink", "%w", s.scrub(err))
	}
	return s, nil
}

// place looks at where everything is.
func (s *Sink) place() error {
	host, port, err := net.SplitHostPort(s.c.Host)
	switch bucket, _, _ := strings.Cut(strings.TrimPrefix(s.c.URL, "s3://"), "/"); {
	case s.c.Stage == nil:
		return fmt.Errorf("a sink to stage with is needed")
	case !strings.HasPrefix(s.c.URL, "s3://") || bucket == "" || !strings.HasSuffix(s.c.URL, "/"):
		return fmt.Errorf("the bucket is written s3://bucket/, not %q", s.c.URL)
	case s.c.Data != nil && s.c.Database != "":
		return nil
	case err != nil || host == "" || port == "":
		return fmt.Errorf("the host is written host:port")
	case s.c.Database == "" || s.c.User == "":
		return fmt.Errorf("a database and a user are needed")
	}
	switch s.c.Security {
	case VerifyFull, VerifyCA, Require, Disable:
		return nil
	}
	return fmt.Errorf("security %q is unknown; verify-full, verify-ca, require and disable are known", s.c.Security)
}

// names vets and quotes everything that becomes an identifier.
func (s *Sink) names() (err error) {
	if s.table, err = identifiers(s.c.Table); err != nil {
		return err
	}
	if s.ledger, err = identifiers(s.c.Ledger); err != nil {
		return err
	}
	var columns []string
	for _, c := range s.c.Columns {
		quoted, err := identifier(c)
		if err != nil {
			return err
		}
		columns = append(columns, quoted)
	}
	if len(columns) > 0 {
		s.columns = " (" + strings.Join(columns, ", ") + ")"
	}
	return nil
}

// Caps are the stage's.
func (s *Sink) Caps() firehose.Caps { return s.c.Stage.Caps() }

// String is the table and the way to it.
func (s *Sink) String() string {
	if d := s.c.Data; d != nil {
		return fmt.Sprintf("redshift Data API %s%s/%s table %s by way of %s", d.Cluster, d.Workgroup, s.c.Database, s.c.Table, s.c.URL)
	}
	return fmt.Sprintf("redshift://%s/%s table %s by way of %s", s.c.Host, s.c.Database, s.c.Table, s.c.URL)
}

// Close closes the stage. Connections to Redshift live no longer than a load.
func (s *Sink) Close() error { return s.c.Stage.Close() }

// Probe asks whether the table is there and lets itself be read, and whether
// the bucket is.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if s.data != nil {
		if r := s.data.probe(ctx); !r.Done() {
			return r
		}
		return s.c.Stage.Probe(ctx)
	}
	x, err := s.connect(ctx)
	if err != nil {
		return s.classify(connecting, err)
	}
	defer x.close()
	if _, err := x.run(ctx, "SELECT 1 FROM "+s.table+" WHERE false"); err != nil {
		return s.classify(copying, err)
	}
	return s.c.Stage.Probe(ctx)
}
