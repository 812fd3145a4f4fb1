package redshift_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"headgate/firehose"
	"headgate/firehose/sink/redshift"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

// TestEncryption is what each security takes and refuses.
func TestEncryption(t *testing.T) {
	web := httptest.NewUnstartedServer(nil) // for its certificate: of example.com and 127.0.0.1
	web.StartTLS()
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	s := openShim(t, startPostgres(t), sinktest.StartVersity(t), &tls.Config{Certificates: web.TLS.Certificates})
	k := makeTable(t, s, "encrypted")
	for name, one := range map[string]struct {
		security redshift.Security
		tls      *tls.Config
		want     firehose.Class
	}{
		"full":                {redshift.VerifyFull, &tls.Config{RootCAs: roots}, firehose.Delivered},
		"full, unknown":       {redshift.VerifyFull, nil, firehose.Config},
		"full, another's":     {redshift.VerifyFull, &tls.Config{RootCAs: roots, ServerName: "another.example"}, firehose.Config},
		"authority":           {redshift.VerifyCA, &tls.Config{RootCAs: roots, ServerName: "another.example"}, firehose.Delivered},
		"authority, unknown":  {redshift.VerifyCA, nil, firehose.Config},
		"whomsoever":          {redshift.Require, nil, firehose.Delivered},
		"default, by a name":  {"", &tls.Config{RootCAs: roots, ServerName: "example.com"}, firehose.Delivered},
		"in the clear, there": {redshift.Disable, nil, firehose.Delivered},
	} {
		c := k.config(t)
		c.Security, c.TLS = one.security, one.tls
		if r := open(t, c).Probe(t.Context()); r.Class != one.want {
			t.Errorf("%s: %s: %v", name, r.Class, r.Err)
		}
	}
}

// TestPasswordIsNotGivenAway: without encryption nobody is told the password
// as it is.
func TestPasswordIsNotGivenAway(t *testing.T) {
	s := openShim(t, nil, nil, nil)
	s.asks = func(client *pgproto3.Backend) {
		client.Send(&pgproto3.AuthenticationCleartextPassword{})
		if err := client.SetAuthType(pgproto3.AuthTypeCleartextPassword); err != nil || client.Flush() != nil {
			return
		}
		if m, err := client.Receive(); err == nil {
			t.Errorf("it answers %T", m)
		}
	}
	c := redshift.Config{
		Stage: forgetful{}, URL: "s3://bucket/", Host: s.address, Database: database, User: loader, Password: secret, Security: redshift.Disable,
		Table: "t", Role: "default",
	}
	k, err := redshift.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "cleartext", k.Probe(t.Context()), firehose.Config)
}

func TestConfig(t *testing.T) {
	good := redshift.Config{
		Stage: forgetful{}, URL: "s3://bucket/", Host: "c.example:5439", Database: "d", User: "u", Password: secret, Table: "s.t",
		AccessKey: "AK", SecretKey: "key-" + secret,
		Dial: func(context.Context, string, string) (net.Conn, error) { panic("Open asks nobody") },
	}
	s, err := redshift.Open(good)
	if err != nil || strings.Contains(s.String(), secret) {
		t.Fatalf("%v: %v", s, err)
	}
	for name, change := range map[string]func(*redshift.Config){
		"no stage":         func(c *redshift.Config) { c.Stage = nil },
		"bucket":           func(c *redshift.Config) { c.URL = "bucket" },
		"bucket, no slash": func(c *redshift.Config) { c.URL = "s3://bucket" },
		"host":             func(c *redshift.Config) { c.Host = "c.example" },
		"port":             func(c *redshift.Config) { c.Host = "c.example:http" },
		"user":             func(c *redshift.Config) { c.User = "" },
		"security":         func(c *redshift.Config) { c.Security = "prefer" },
		"no table":         func(c *redshift.Config) { c.Table = "" },
		"table":            func(c *redshift.Config) { c.Table = `t"; DROP TABLE x; --` },
		"three parts":      func(c *redshift.Config) { c.Table = "a.b.c" },
		"ledger":           func(c *redshift.Config) { c.Ledger = "1st" },
		"column":           func(c *redshift.Config) { c.Columns = []string{"a", "b c"} },
		"nobody":           func(c *redshift.Config) { c.AccessKey, c.SecretKey = "", "" },
		"two of them":      func(c *redshift.Config) { c.Role = "arn:aws:iam::000000000000:role/r" },
		"half a pair":      func(c *redshift.Config) { c.AccessKey = "" },
		"role":             func(c *redshift.Config) { c.AccessKey, c.SecretKey, c.Role = "", "", "admin" },
		"a quote":          func(c *redshift.Config) { c.SecretKey = secret + "'" },
		"a backslash":      func(c *redshift.Config) { c.SecretKey = secret + `\` },
		"two statements":   func(c *redshift.Config) { c.Options = "GZIP; DROP TABLE x" },
		"open text":        func(c *redshift.Config) { c.Options = "JSON 'auto" },
		"comment":          func(c *redshift.Config) { c.Options = "GZIP -- no" },
		"manifest":         func(c *redshift.Config) { c.Options = "JSON 'auto' manifest" },
		"no load":          func(c *redshift.Config) { c.Options = "JSON 'auto' NOLOAD" },
		"region":           func(c *redshift.Config) { c.Region = "eu\n" },
	} {
		c := good
		change(&c)
		if _, err := redshift.Open(c); shardlog.KindOf(err) != shardlog.Invalid || strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
