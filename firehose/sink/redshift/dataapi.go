package redshift

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/redshiftdata"
	"github.com/aws/aws-sdk-go-v2/service/redshiftdata/types"

	"headgate/firehose"
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
	Client    *http.Client // nil: the SDK's
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
	client *redshiftdata.Client
}

func (s *Sink) openData(c DataAPI) (*data, error) {
	if (c.Cluster == "") == (c.Workgroup == "") || c.AccessKey == "" || c.SecretKey == "" {
		return nil, fmt.Errorf("the Data API needs a cluster or a workgroup, and a pair of keys")
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	o := redshiftdata.Options{Region: c.Region, Retryer: aws.NopRetryer{}, Credentials: credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, "")}
	if c.Client != nil {
		o.HTTPClient = c.Client
	}
	if c.Endpoint != "" {
		o.BaseEndpoint = &c.Endpoint
	}
	return &data{s, c, redshiftdata.New(o)}, nil
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

// batch runs statements as one transaction. A failed one comes back as *fault.
func (d *data) batch(ctx context.Context, statements []string) error {
	out, err := d.client.BatchExecuteStatement(ctx, &redshiftdata.BatchExecuteStatementInput{
		Sqls: statements, Database: &d.s.c.Database, ClusterIdentifier: given(d.c.Cluster), WorkgroupName: given(d.c.Workgroup), SecretArn: given(d.c.SecretARN), DbUser: d.user(),
	})
	if err != nil {
		return err
	}
	_, err = d.await(ctx, aws.ToString(out.Id))
	return err
}

// ask runs one statement and answers the first column of its rows.
func (d *data) ask(ctx context.Context, sql string) (found []string, err error) {
	out, err := d.client.ExecuteStatement(ctx, &redshiftdata.ExecuteStatementInput{
		Sql: &sql, Database: &d.s.c.Database, ClusterIdentifier: given(d.c.Cluster), WorkgroupName: given(d.c.Workgroup), SecretArn: given(d.c.SecretARN), DbUser: d.user(),
	})
	if err != nil {
		return nil, err
	}
	rows, err := d.await(ctx, aws.ToString(out.Id))
	if err != nil || !rows {
		return nil, err
	}
	result, err := d.client.GetStatementResult(ctx, &redshiftdata.GetStatementResultInput{Id: out.Id})
	if err != nil {
		return nil, err
	}
	for _, row := range result.Records {
		if text, ok := row[0].(*types.FieldMemberStringValue); ok {
			found = append(found, text.Value)
		}
	}
	return found, nil
}

// user is who a cluster is asked as, where no login is kept at AWS.
func (d *data) user() *string {
	if d.c.Cluster == "" || d.c.SecretARN != "" {
		return nil
	}
	return given(d.s.c.User)
}

func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
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
		now, err := d.client.DescribeStatement(ctx, &redshiftdata.DescribeStatementInput{Id: &id})
		if err != nil {
			return false, err
		}
		switch now.Status {
		case types.StatusStringFinished:
			return aws.ToBool(now.HasResultSet), nil
		case types.StatusStringAborted:
			return false, fmt.Errorf("the statement was aborted: %s", aws.ToString(now.Error))
		case types.StatusStringFailed:
			f := &fault{0, aws.ToString(now.Error)}
			for i, sub := range now.SubStatements {
				if sub.Status == types.StatementStatusStringFailed {
					f.at, f.text = i, aws.ToString(sub.Error)
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
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) {
		switch coded.ErrorCode() {
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
