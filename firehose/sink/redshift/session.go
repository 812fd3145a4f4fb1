package redshift

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// How long to wait for what.
const (
	dialTime  = 15 * time.Second
	keepAlive = 30 * time.Second // a COPY is silent, and a NAT forgets silent connections
	probeTime = 30 * time.Second
	loadTime  = 30 * time.Minute
	leaveTime = 5 * time.Second
)

// session is one connection. It sends only statements that this package made,
// whole: pgx above this level refuses servers that take backslashes as escapes,
// and Redshift is one.
type session struct{ conn *pgconn.PgConn }

// connection is pgconn's configuration. Nothing of it comes from the environment.
func (s *Sink) connection() (*pgconn.Config, error) {
	host, port, err := net.SplitHostPort(s.c.Host)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	c, err := pgconn.ParseConfig("host=localhost user=nobody password=none sslmode=disable target_session_attrs=any")
	if err != nil {
		return nil, err
	}
	c.Host, c.Port, c.Database, c.User, c.Password = host, uint16(number), s.c.Database, s.c.User, s.c.Password
	c.RuntimeParams = map[string]string{"application_name": "headgate"}
	c.Fallbacks, c.ValidateConnect, c.ConnectTimeout = nil, nil, 2*dialTime
	c.SSLNegotiation, c.SSLCertMode, c.ChannelBinding, c.KerberosSrvName = "postgres", "", "prefer", ""
	c.MinProtocolVersion, c.MaxProtocolVersion = "3.0", "3.0"
	c.TLSConfig = s.encryption(host)
	c.RequireAuth = ""
	if c.TLSConfig == nil {
		c.RequireAuth = "none,md5,scram-sha-256" // no password in the clear
	}
	c.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // Dial looks it up
	c.DialFunc = s.c.Dial
	if c.DialFunc == nil {
		c.DialFunc = (&net.Dialer{Timeout: dialTime, KeepAlive: keepAlive}).DialContext
	}
	return c, nil
}

// encryption is nil for a connection in the clear.
func (s *Sink) encryption(host string) *tls.Config {
	if s.c.Security == Disable {
		return nil
	}
	t := &tls.Config{}
	if s.c.TLS != nil {
		t = s.c.TLS.Clone()
	}
	if t.ServerName == "" {
		t.ServerName = host
	}
	switch s.c.Security {
	case Require:
		t.InsecureSkipVerify = true
	case VerifyCA:
		t.InsecureSkipVerify = true // of the name; the rest is verified here
		roots := t.RootCAs
		t.VerifyConnection = func(state tls.ConnectionState) error { return verify(state, roots) }
	}
	return t
}

// verify verifies everything of a certificate but the host's name.
func verify(state tls.ConnectionState, roots *x509.CertPool) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}

func (s *Sink) connect(ctx context.Context) (*session, error) {
	c, err := s.connection()
	if err != nil {
		return nil, err
	}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	return &session{conn}, nil
}

// answer is what a statement gave.
type answer struct {
	tag  string
	rows [][][]byte
}

// run runs one statement.
func (x *session) run(ctx context.Context, sql string) (answer, error) {
	results, err := x.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return answer{}, err
	}
	if len(results) == 0 {
		return answer{}, nil
	}
	last := results[len(results)-1]
	return answer{tag: last.CommandTag.String(), rows: last.Rows}, nil
}

// close ends the session; what was not committed is rolled back by that.
func (x *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	_ = x.conn.Close(ctx)
}
