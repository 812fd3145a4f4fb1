package redshift_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	aws3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/jackc/pgx/v5/pgproto3"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sinktest"
)

// shim makes a Redshift of a PostgreSQL and an S3 server: it introduces itself
// as one, and does what COPY asks for. Everything else it passes on.
type shim struct {
	address string
	server  *postgres
	bucket  *sinktest.Versity
	tls     *tls.Config // nil: none

	asks func(*pgproto3.Backend) // how a login goes instead of PostgreSQL's; nil: as PostgreSQL has it

	mu     sync.Mutex
	before string // the connection is cut instead of passing on the statement that begins so, once; guarded by mu
	after  string // it is cut instead of passing on the answer, once; guarded by mu
}

func openShim(t *testing.T, server *postgres, bucket *sinktest.Versity, secured *tls.Config) *shim {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &shim{address: l.Addr().String(), server: server, bucket: bucket, tls: secured}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.serve(c) })
		}
	})
	return s
}

func (s *shim) cut(before, after string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// cuts reports whether the connection is to be cut before or after the statement.
func (s *shim) cuts(sql string) (before, after bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before = s.before != "" && strings.HasPrefix(sql, s.before); before {
		s.before = ""
	}
	if after = s.after != "" && strings.HasPrefix(sql, s.after); after {
		s.after = ""
	}
	return before, after
}

// talk is one client and its session with PostgreSQL.
type talk struct {
	*shim
	client *pgproto3.Backend
	server *pgproto3.Frontend
}

func (s *shim) serve(c net.Conn) {
	defer func() { c.Close() }()
	client := pgproto3.NewBackend(c, c)
	for {
		first, err := client.ReceiveStartupMessage()
		if err != nil {
			return
		}
		switch m := first.(type) {
		case *pgproto3.SSLRequest:
			if s.tls == nil {
				c.Write([]byte{'N'})
				continue
			}
			c.Write([]byte{'S'})
			c = tls.Server(c, s.tls)
			client = pgproto3.NewBackend(c, c)
		case *pgproto3.StartupMessage:
			if s.asks != nil {
				s.asks(client)
				return
			}
			server, err := net.Dial("tcp", s.server.address)
			if err != nil {
				return
			}
			defer server.Close()
			t := &talk{s, client, pgproto3.NewFrontend(server, server)}
			t.server.Send(m)
			if t.server.Flush() == nil && t.introduce() == nil {
				t.statements()
			}
			return
		default:
			return
		}
	}
}

// introduce passes the login on, and speaks as Redshift does of itself: an old
// server, a client encoding of its own name, no standard_conforming_strings.
func (t *talk) introduce() error {
	for {
		m, err := t.server.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.ParameterStatus:
			switch m.Name {
			case "server_version":
				m.Value = "8.0.2"
			case "client_encoding":
				m.Value = "UNICODE"
			default:
				continue
			}
		case *pgproto3.AuthenticationMD5Password:
			t.client.SetAuthType(pgproto3.AuthTypeMD5Password)
			t.client.Send(m)
			if err := t.client.Flush(); err != nil {
				return err
			}
			password, err := t.client.Receive()
			if err != nil {
				return err
			}
			t.server.Send(password.(*pgproto3.PasswordMessage))
			if err := t.server.Flush(); err != nil {
				return err
			}
			continue
		}
		t.client.Send(m)
		if _, ok := m.(*pgproto3.ErrorResponse); ok {
			return errors.Join(t.client.Flush(), errors.New("refused"))
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			return t.client.Flush()
		}
	}
}

// statements serves simple queries until the client or a cut ends it.
func (t *talk) statements() {
	for {
		m, err := t.client.Receive()
		if err != nil {
			return
		}
		q, ok := m.(*pgproto3.Query)
		if !ok {
			return // Terminate; or what the sink never sends
		}
		before, after := t.cuts(q.String)
		if before {
			return
		}
		answers := t.answers(q.String)
		if after || answers == nil {
			return
		}
		for _, a := range answers {
			t.client.Send(a)
		}
		if t.client.Flush() != nil {
			return
		}
	}
}

func (t *talk) answers(sql string) []pgproto3.BackendMessage {
	if strings.HasPrefix(sql, "COPY ") {
		return t.copy(sql)
	}
	return t.pass(sql)
}

// pass has PostgreSQL run the statement and returns what it says.
func (t *talk) pass(sql string) []pgproto3.BackendMessage {
	t.server.Send(&pgproto3.Query{String: sql})
	if t.server.Flush() != nil {
		return nil
	}
	var all []pgproto3.BackendMessage
	for {
		m, err := t.server.Receive()
		if err != nil {
			return nil
		}
		// Receive uses its messages again: keep a copy.
		switch m := m.(type) {
		case *pgproto3.RowDescription:
			all = append(all, &pgproto3.RowDescription{Fields: append([]pgproto3.FieldDescription(nil), m.Fields...)})
		case *pgproto3.DataRow:
			row := &pgproto3.DataRow{}
			for _, v := range m.Values {
				row.Values = append(row.Values, bytes.Clone(v))
			}
			all = append(all, row)
		case *pgproto3.CommandComplete:
			all = append(all, &pgproto3.CommandComplete{CommandTag: bytes.Clone(m.CommandTag)})
		case *pgproto3.ErrorResponse:
			kept := *m
			all = append(all, &kept)
		case *pgproto3.ReadyForQuery:
			return append(all, &pgproto3.ReadyForQuery{TxStatus: m.TxStatus})
		}
	}
}

// fail has the transaction fail with an error of Redshift's.
func (t *talk) fail(text string) []pgproto3.BackendMessage {
	return t.pass("DO $hg$ BEGIN RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = '" + strings.ReplaceAll(text, "'", "''") + "'; END $hg$")
}

var copySyntax = regexp.MustCompile(`^COPY (\S+)(?: \(([^)]*)\))? FROM 's3://([^/]+)/([^']*)' (IAM_ROLE|CREDENTIALS) (default|'[^']*') MANIFEST FORMAT JSON 'auto'(?: REGION '[^']*')?(?: (GZIP|ZSTD))?$`)

// copy loads the objects of a manifest, line by line.
func (t *talk) copy(sql string) []pgproto3.BackendMessage {
	part := copySyntax.FindStringSubmatch(sql)
	if part == nil {
		return t.pass("COPY of a syntax that the shim does not know")
	}
	table, columns, bucket, key, rights := part[1], part[2], part[3], part[4], part[6]
	if strings.Contains(rights, "denied") {
		return t.fail("User arn:aws:redshift:us-east-1:000000000000:dbuser:c/loader is not authorized to assume IAM Role " + strings.Trim(rights, "'"))
	}
	store := t.store(part[5], rights)
	text, err := fetch(store, bucket, key)
	if err != nil {
		return t.fail("Problem reading manifest file - " + told(err))
	}
	var list struct {
		Entries []struct{ URL string }
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return t.fail("Problem reading manifest file - " + err.Error())
	}
	if kind := t.pass("SELECT 1 FROM " + table + " WHERE false"); refused(kind) != nil {
		return kind
	}
	n := 0
	for _, e := range list.Entries {
		bucket, key, _ := strings.Cut(strings.TrimPrefix(e.URL, "s3://"), "/")
		stored, err := fetch(store, bucket, key)
		if err != nil {
			return t.fail(told(err))
		}
		lines := bufio.NewScanner(expand(part[7], stored))
		lines.Buffer(nil, 16<<20)
		for number := 1; lines.Scan(); number++ {
			answers := t.insert(table, columns, lines.Text())
			if why := refused(answers); why != nil && strings.HasPrefix(why.Code, "22") {
				return t.loadError(answers, table, e.URL, number)
			} else if why != nil || answers == nil {
				return answers
			}
			n++
		}
		if lines.Err() != nil {
			return t.fail("error reading " + e.URL)
		}
	}
	return []pgproto3.BackendMessage{
		&pgproto3.NoticeResponse{Severity: "INFO", Code: "00000", Message: fmt.Sprintf("Load into table '%s' completed, %d record(s) loaded successfully.", table, n)},
		&pgproto3.CommandComplete{CommandTag: []byte("COPY")}, &pgproto3.ReadyForQuery{TxStatus: 'T'},
	}
}

func (t *talk) insert(table, columns, line string) []pgproto3.BackendMessage {
	into, which := "", "*"
	if columns != "" {
		into, which = " ("+columns+")", columns
	}
	return t.pass("INSERT INTO " + table + into + " SELECT " + which + " FROM json_populate_record(null::" + table + ", $line$" + line + "$line$)")
}

// loadError keeps the reason where Redshift keeps it, and answers without.
func (t *talk) loadError(answers []pgproto3.BackendMessage, table, file string, line int) []pgproto3.BackendMessage {
	why := refused(answers)
	reason := strings.ReplaceAll(why.Message, "'", "''")
	if _, err := t.shim.server.run(loader+"_admin", database, fmt.Sprintf("INSERT INTO stl_load_errors VALUES ('%s', %d, 'value', '%s')", file, line, reason)); err != nil {
		return nil
	}
	why.Code, why.Message, why.Detail = "XX000", fmt.Sprintf("Load into table '%s' failed.  Check 'stl_load_errors' system table for details.", strings.Trim(table, `"`)), ""
	return answers
}

func refused(answers []pgproto3.BackendMessage) *pgproto3.ErrorResponse {
	for _, a := range answers {
		if e, ok := a.(*pgproto3.ErrorResponse); ok {
			return e
		}
	}
	return nil
}

// store is the bucket for whom the clause says: a role may everything.
func (t *talk) store(kind, rights string) *aws3.Client {
	key, secret := t.bucket.AccessKey, t.bucket.SecretKey
	if kind == "CREDENTIALS" {
		for pair := range strings.SplitSeq(strings.Trim(rights, "'"), ";") {
			switch name, value, _ := strings.Cut(pair, "="); name {
			case "aws_access_key_id":
				key = value
			case "aws_secret_access_key":
				secret = value
			}
		}
	}
	return client(t.bucket, key, secret)
}

func client(v *sinktest.Versity, key, secret string) *aws3.Client {
	return aws3.New(aws3.Options{Region: "us-east-1", UsePathStyle: true, BaseEndpoint: &v.Endpoint, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
}

func fetch(c *aws3.Client, bucket, key string) ([]byte, error) {
	got, err := c.GetObject(context.Background(), &aws3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer got.Body.Close()
	return io.ReadAll(got.Body)
}

// told is an error of S3 in Redshift's words.
func told(err error) string {
	var gone *types.NoSuchKey
	if errors.As(err, &gone) {
		return "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey,Rid 0"
	}
	return "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 0"
}

func expand(compression string, stored []byte) io.Reader {
	name := map[string]string{"": encode.None, "GZIP": encode.Gzip, "ZSTD": encode.Zstd}[compression]
	e, err := encode.New(firehose.Format{Compression: name})
	if err != nil {
		panic(err)
	}
	content, err := e.Expand(bytes.NewReader(stored))
	if err != nil {
		return strings.NewReader("not " + compression)
	}
	return content
}
