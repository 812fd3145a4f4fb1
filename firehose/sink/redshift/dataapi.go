package redshift

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/awsjson"
)

// DataAPI is the way to Redshift by HTTPS, for boxes that reach no port 5439.
// It names a cluster or a workgroup, and who may ask.
type DataAPI struct {
	Cluster   string // or
	Workgroup string
	SecretARN string // of the database's login at AWS; empty: by the caller's identity, and Config.User of a cluster
	Region    string // empty: us-east-1
	Endpoint  string // empty: Amazon's
	AccessKey string
	SecretKey string
	Client    *http.Client // nil: http.DefaultClient
}

// Between looks at a statement that runs.
const (
	firstLook = 200 * time.Millisecond
	lastLook  = 5 * time.Second
)

// data is the Data API.
type data struct {
	s      *Sink
	c      DataAPI
	client *awsjson.Client
}

func (s *Sink) openData(c DataAPI) (*data, error) {
	if (c.Cluster == "") == (c.Workgroup == "") || c.AccessKey == "" || c.SecretKey == "" {
		return nil, fmt.Errorf("the Data API needs a cluster or a workgroup, and a pair of keys")
	}
	client, err := awsjson.Open(awsjson.Config{Service: "redshift-data", Target: "RedshiftData", Region: c.Region, Endpoint: c.Endpoint, AccessKey: c.AccessKey, SecretKey: c.SecretKey, Client: c.Client})
	return &data{s, c, client}, err
}

// fault is a statement that failed, by its place in a batch.
type fault struct {
	at   int
	text string
}

func (f *fault) Error() string { return f.text }

func (f *fault) says(words ...string) bool {
	text := strings.ToLower(f.text)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// load loads what is staged: one batch of statements, which is one transaction
// (BatchExecuteStatement, Redshift Data API reference). It cannot look and then
// decide, so what the ledger has already fails it by a division by zero.
func (d *data) load(ctx context.Context, b *firehose.Batch, copying string) firehose.Result {
	id, err := literal(b.ID)
	if err != nil {
		return firehose.Fail(firehose.Config, err)
	}
	guard := "SELECT 1 / CASE WHEN EXISTS (SELECT 1 FROM " + d.s.ledger + " WHERE batch_id = " + id + ") THEN 0 ELSE 1 END"
	statements := []string{d.s.lockLedger(), guard, d.s.insertLedger(id, b), copying}
	err = d.batch(ctx, statements)
	if f := (*fault)(nil); errors.As(err, &f) && f.at == 0 && f.says("does not exist") {
		if err = d.batch(ctx, []string{d.s.createLedger()}); err == nil {
			err = d.batch(ctx, statements)
		}
	}
	if err == nil {
		return firehose.Result{Class: firehose.Delivered}
	}
	f := (*fault)(nil)
	if errors.As(err, &f) && f.at == 1 && f.says("zero") {
		if r, known := d.look(ctx, b); known {
			return r
		}
	}
	return d.classify(err)
}

// look asks the ledger; known is false when it has no answer.
func (d *data) look(ctx context.Context, b *firehose.Batch) (r firehose.Result, known bool) {
	id, err := literal(b.ID)
	if err != nil {
		return firehose.Fail(firehose.Config, err), true
	}
	found, err := d.ask(ctx, d.s.selectLedger(id))
	if err != nil {
		return firehose.Result{}, false
	}
	for _, sum := range found {
		if sum != digest(b) {
			return firehose.Fail(firehose.Config, &otherBatch{b.ID}), true
		}
	}
	return firehose.Result{Class: firehose.Delivered, Already: true}, len(found) > 0
}

func (d *data) probe(ctx context.Context) firehose.Result {
	if _, err := d.ask(ctx, "SELECT 1 FROM "+d.s.table+" WHERE false"); err != nil {
		return d.classify(err)
	}
	return firehose.Result{Class: firehose.Delivered}
}

// execution is a request to run SQL.
type execution struct {
	Database          string
	ClusterIdentifier string   `json:",omitempty"`
	WorkgroupName     string   `json:",omitempty"`
	SecretArn         string   `json:",omitempty"`
	DbUser            string   `json:",omitempty"` // of a cluster, where no login is kept at AWS
	Sql               string   `json:",omitempty"`
	Sqls              []string `json:",omitempty"`
}

func (d *data) execution() execution {
	e := execution{Database: d.s.c.Database, ClusterIdentifier: d.c.Cluster, WorkgroupName: d.c.Workgroup, SecretArn: d.c.SecretARN}
	if d.c.Cluster != "" && d.c.SecretARN == "" {
		e.DbUser = d.s.c.User
	}
	return e
}

// statement is how one is doing.
type statement struct {
	ID            string `json:"Id"`
	Status        string
	Error         string
	HasResultSet  bool
	SubStatements []statement
}

// batch runs statements as one transaction. A failed one comes back as *fault.
func (d *data) batch(ctx context.Context, statements []string) error {
	in := d.execution()
	in.Sqls = statements
	var out statement
	if err := d.client.Do(ctx, "BatchExecuteStatement", in, &out); err != nil {
		return err
	}
	_, err := d.await(ctx, out.ID)
	return err
}

// ask runs one statement and answers the first column of its rows.
func (d *data) ask(ctx context.Context, sql string) (found []string, err error) {
	in := d.execution()
	in.Sql = sql
	var out statement
	if err := d.client.Do(ctx, "ExecuteStatement", in, &out); err != nil {
		return nil, err
	}
	rows, err := d.await(ctx, out.ID)
	if err != nil || !rows {
		return nil, err
	}
	var result struct {
		Records [][]struct {
			Text string `json:"stringValue"`
		}
	}
	if err := d.client.Do(ctx, "GetStatementResult", map[string]string{"Id": out.ID}, &result); err != nil {
		return nil, err
	}
	for _, row := range result.Records {
		if len(row) > 0 {
			found = append(found, row[0].Text)
		}
	}
	return found, nil
}

// await waits until a statement has ended.
func (d *data) await(ctx context.Context, id string) (rows bool, err error) {
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false, ctx.Err()
		}
		var now statement
		if err := d.client.Do(ctx, "DescribeStatement", map[string]string{"Id": id}, &now); err != nil {
			return false, err
		}
		switch now.Status {
		case "FINISHED":
			return now.HasResultSet, nil
		case "ABORTED":
			return false, fmt.Errorf("the statement was aborted: %s", now.Error)
		case "FAILED":
			f := &fault{0, now.Error}
			for i, sub := range now.SubStatements {
				if sub.Status == "FAILED" {
					f.at, f.text = i, sub.Error
				}
			}
			return false, f
		}
	}
}

// classify says what a failure means for the delivery. The Data API tells no
// SQLSTATE, so a statement's failure is known by its words.
func (d *data) classify(err error) firehose.Result {
	told := d.s.scrub(err)
	if f := (*fault)(nil); errors.As(err, &f) {
		switch {
		case f.says("stl_load_errors", "sys_load_error_detail"):
			return firehose.Fail(firehose.Poison, told)
		case f.says("permission denied", "not authorized", "access denied", "accessdenied"):
			return firehose.Fail(firehose.Auth, told)
		case f.says("does not exist", "syntax error", "nosuchbucket"):
			return firehose.Fail(firehose.Config, told)
		}
		return firehose.Fail(firehose.Transient, told)
	}
	var e *awsjson.Error
	if errors.As(err, &e) {
		switch e.Code {
		case "ActiveStatementsExceededException", "ActiveSessionsExceededException", "ThrottlingException":
			return firehose.Fail(firehose.Throttled, told)
		case "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "MissingAuthenticationTokenException", "InvalidClientTokenId":
			return firehose.Fail(firehose.Auth, told)
		case "ValidationException", "ResourceNotFoundException", "DatabaseConnectionException":
			return firehose.Fail(firehose.Config, told)
		}
	}
	return firehose.Fail(firehose.Transient, told)
}
