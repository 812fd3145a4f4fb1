package redshift_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	aws3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/redshift"
	"headgate/firehose/sink/s3"
	"headgate/firehose/sinktest"
)

// table is one table of a Redshift and one bucket to stage in.
type table struct {
	*shim
	name string
	data string // URL of a Data API; empty: by connections
}

func makeTable(t *testing.T, s *shim, name string) *table {
	t.Helper()
	s.server.ask(t, "CREATE TABLE "+name+" (batch text, n int, message text)")
	if _, err := client(s.bucket, s.bucket.AccessKey, s.bucket.SecretKey).CreateBucket(t.Context(), &aws3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return &table{shim: s, name: name}
}

func (k *table) stage(t *testing.T) firehose.Sink {
	t.Helper()
	s, err := s3.Open(s3.Config{Bucket: k.name, Endpoint: k.bucket.Endpoint, PathStyle: true, AccessKey: k.bucket.AccessKey, SecretKey: k.bucket.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (k *table) config(t *testing.T) redshift.Config {
	var data *redshift.DataAPI
	if k.data != "" {
		data = &redshift.DataAPI{Workgroup: "edge", Endpoint: k.data, AccessKey: "any", SecretKey: "thing"}
	}
	return redshift.Config{
		Data: data, Stage: k.stage(t), URL: "s3://" + k.name + "/", Host: k.address, Database: database, User: loader, Password: secret, Security: redshift.Disable,
		Table: k.name, Columns: []string{"batch", "n", "message"}, Ledger: k.name + "_ledger", Role: "arn:aws:iam::000000000000:role/loads",
	}
}

func open(t *testing.T, c redshift.Config) firehose.Sink {
	t.Helper()
	s, err := redshift.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (k *table) sink(t *testing.T) firehose.Sink { return open(t, k.config(t)) }

// holds checks that the table has the batches' records, each once, and the
// ledger each batch once.
func (k *table) holds(t *testing.T, batches ...*firehose.Batch) {
	t.Helper()
	want := map[string]bool{}
	for _, b := range batches {
		for n := 1; n <= b.Count; n++ {
			want[fmt.Sprintf("%s/%d", strings.TrimSuffix(b.Object, b.Encoder.Extension()), n)] = true
		}
	}
	rows := k.server.ask(t, "SELECT batch || '/' || n FROM "+k.name)
	for _, row := range rows {
		if !want[row] {
			t.Errorf("row %s is there and not expected, or twice", row)
		}
		delete(want, row)
	}
	if len(want) > 0 {
		t.Errorf("%d rows are missing", len(want))
	}
	if entries := k.entries(t); entries != len(batches) {
		t.Errorf("%d batches in the ledger, %d delivered", entries, len(batches))
	}
}

func (k *table) entries(t *testing.T) int {
	t.Helper()
	if k.server.ask(t, "SELECT to_regclass('"+k.name+"_ledger')")[0] == "" {
		return 0
	}
	return len(k.server.ask(t, "SELECT batch_id FROM "+k.name+"_ledger"))
}

func encoder(t *testing.T, compression string) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{Compression: compression})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func documents(t *testing.T, name string, count int) *firehose.Batch {
	return sinktest.Documents(encoder(t, encode.Gzip), name, count, 120)
}

func deliver(t *testing.T, s firehose.Sink, b *firehose.Batch) firehose.Result {
	t.Helper()
	r := s.Deliver(t.Context(), b)
	if !r.Done() || r.Err != nil {
		t.Fatalf("%s: %v", r.Class, r.Err)
	}
	return r
}

// want checks the class of a failure, and that it says no secret.
func want(t *testing.T, what string, r firehose.Result, class firehose.Class) {
	t.Helper()
	if r.Class != class || r.Err == nil {
		t.Errorf("%s: %s: %v", what, r.Class, r.Err)
	} else if strings.Contains(r.Err.Error(), secret) {
		t.Errorf("%s: the password is in %v", what, r.Err)
	}
}

func TestSink(t *testing.T) {
	s := openShim(t, startPostgres(t), sinktest.StartVersity(t), nil)
	for name, test := range map[string]func(*testing.T, *table){
		"loads": loads, "compressions": compressions, "replay": replay, "concurrently": concurrently, "cut off": cutOff, "no object": noObject,
		"other content": otherContent, "changed log": changed, "failing log": failing, "given up": givenUp, "poison": poison, "bisected": bisected, "refused": refusedOnes, "aside": aside,
	} {
		t.Run(name, func(t *testing.T) { test(t, makeTable(t, s, "t"+strings.ReplaceAll(name, " ", ""))) })
	}
}

func loads(t *testing.T, k *table) {
	s := k.sink(t)
	if r := s.Probe(t.Context()); !r.Done() {
		t.Fatalf("probe: %s: %v", r.Class, r.Err)
	}
	if k.entries(t) != 0 {
		t.Error("a probe left something")
	}
	one, many := documents(t, "one", 10), documents(t, "many", 1500)
	for _, b := range []*firehose.Batch{one, many} {
		if r := deliver(t, s, b); r.Already || r.Bytes <= 0 {
			t.Errorf("already %v, %d bytes", r.Already, r.Bytes)
		}
	}
	k.holds(t, one, many)
}

func compressions(t *testing.T, k *table) {
	var all []*firehose.Batch
	for i, c := range []string{encode.None, encode.Gzip, encode.Zstd} {
		b := sinktest.Documents(encoder(t, c), fmt.Sprint("as", i), 5, 100)
		deliver(t, k.sink(t), b)
		all = append(all, b)
	}
	k.holds(t, all...)
}

func replay(t *testing.T, k *table) {
	b := documents(t, "again", 20)
	deliver(t, k.sink(t), b)
	for _, retried := range []bool{false, true} {
		again := *b
		again.Retried = retried
		if r := deliver(t, k.sink(t), &again); !r.Already {
			t.Errorf("retried %v: was loaded twice", retried)
		}
	}
	k.holds(t, b)
}

func concurrently(t *testing.T, k *table) {
	same, other := documents(t, "same", 50), documents(t, "other", 50)
	results := make([]firehose.Result, 6)
	var all sync.WaitGroup
	for i := range results {
		s, b := k.sink(t), same
		if i == 0 {
			b = other
		}
		all.Go(func() { results[i] = s.Deliver(t.Context(), b) })
	}
	all.Wait()
	for i, r := range results {
		if !r.Done() && r.Class != firehose.Transient {
			t.Errorf("delivery %d: %s: %v", i, r.Class, r.Err)
		}
	}
	deliver(t, k.sink(t), same)
	deliver(t, k.sink(t), other)
	k.holds(t, same, other)
}

// cutOff: the connection ends before and after each statement of the load.
func cutOff(t *testing.T, k *table) {
	deliver(t, k.sink(t), documents(t, "first", 3)) // makes the ledger
	all := []*firehose.Batch{documents(t, "first", 3)}
	for i, statement := range []string{"BEGIN", "LOCK", "SELECT", "INSERT", "COPY", "COMMIT"} {
		for j, after := range []bool{false, true} {
			for _, retried := range []bool{false, true} {
				b := documents(t, fmt.Sprintf("cut%d%d%v", i, j, retried), 4)
				if after {
					k.cut("", statement)
				} else {
					k.cut(statement, "")
				}
				want(t, fmt.Sprint(statement, " after ", after), k.sink(t).Deliver(t.Context(), b), firehose.Transient)
				b.Retried = retried
				r := deliver(t, k.sink(t), b)
				if committed := statement == "COMMIT" && after; r.Already != committed {
					t.Errorf("%s after %v: already %v", statement, after, r.Already)
				}
				all = append(all, b)
			}
		}
	}
	k.holds(t, all...)
}

// forgetful is a stage that loses the objects whose names begin so.
type forgetful struct {
	firehose.Sink
	object string
}

func (f forgetful) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	if strings.HasPrefix(b.Object, f.object) {
		return firehose.Result{Class: firehose.Delivered}
	}
	return f.Sink.Deliver(ctx, b)
}

func noObject(t *testing.T, k *table) {
	var all []*firehose.Batch
	for i, form := range []string{"%s", "manifests/%s"} {
		b := documents(t, fmt.Sprint("lost", i), 10)
		c := k.config(t)
		c.Stage = forgetful{c.Stage, fmt.Sprintf(form, b.Object)}
		want(t, form, open(t, c).Deliver(t.Context(), b), firehose.Config)
		k.holds(t, all...)
		deliver(t, k.sink(t), b)
		all = append(all, b)
		k.holds(t, all...)
	}
}

func otherContent(t *testing.T, k *table) {
	mine, theirs := documents(t, "mine", 10), documents(t, "theirs", 10)
	deliver(t, k.sink(t), mine)
	theirs.ID = mine.ID
	for _, retried := range []bool{false, true} {
		theirs.Retried = retried
		want(t, "other content", k.sink(t).Deliver(t.Context(), theirs), firehose.Config)
	}
	k.holds(t, mine)
}

func changed(t *testing.T, k *table) {
	b := documents(t, "changed", 10)
	b.SHA256[0]++
	r := k.sink(t).Deliver(t.Context(), b)
	want(t, "changed", r, firehose.Transient)
	if !errors.Is(r.Err, firehose.ErrChanged) {
		t.Error(r.Err)
	}
	k.holds(t)
}

// failing: an error of the log is told apart from one of the destination.
func failing(t *testing.T, k *table) {
	b, broken := documents(t, "failing", 10), errors.New("log is broken")
	good := b.Records
	b.Records = func(ctx context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			for r, err := range good(ctx) {
				if r.Seq == 7 {
					yield(firehose.Record{}, broken)
					return
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
	var source *firehose.SourceError
	if r := k.sink(t).Deliver(t.Context(), b); r.Done() || !errors.As(r.Err, &source) || !errors.Is(r.Err, broken) {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
	k.holds(t)
	b.Records, b.Retried = good, true
	deliver(t, k.sink(t), b)
	k.holds(t, b)
}

// givenUp: a delivery that is called off while it waits for the ledger leaves
// nothing, and the next one is not held up by it.
func givenUp(t *testing.T, k *table) {
	first, b := documents(t, "first", 3), documents(t, "late", 3)
	deliver(t, k.sink(t), first)
	holder, err := k.server.dial(loader, database)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background())
	if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE "+k.name+"_ledger").ReadAll(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	want(t, "given up", k.sink(t).Deliver(ctx, b), firehose.Transient)
	if err := holder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	deliver(t, k.sink(t), b)
	k.holds(t, first, b)
}

// poison: what COPY keeps to itself is said.
func poison(t *testing.T, k *table) {
	b := documents(t, "poison", 10)
	good := b.Records
	b.Records = func(ctx context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			for r, err := range good(ctx) {
				if r.Seq == 4 {
					r.Data = []byte(`{"batch":"poison","n":"four"}`)
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
	r := k.sink(t).Deliver(t.Context(), sinktest.Sealed(b))
	want(t, "poison", r, firehose.Poison)
	if len(r.Items) > 0 || !strings.Contains(r.Err.Error(), "line 4") || !strings.Contains(r.Err.Error(), `integer: "four"`) {
		t.Errorf("%v: %v", r.Items, r.Err)
	}
	k.holds(t)
}

// refusedOnes are what a person must mend.
func refusedOnes(t *testing.T, k *table) {
	b := documents(t, "refused", 3)
	k.server.ask(t, "CREATE TABLE private (batch text, n int, message text)")
	for name, one := range map[string]struct {
		change func(*redshift.Config)
		want   firehose.Class
	}{
		"password":       {func(c *redshift.Config) { c.Password = "not-" + secret }, firehose.Auth},
		"user":           {func(c *redshift.Config) { c.User = "stranger" }, firehose.Auth},
		"database":       {func(c *redshift.Config) { c.Database = "nowhere" }, firehose.Config},
		"table":          {func(c *redshift.Config) { c.Table = "public.nothing" }, firehose.Config},
		"schema":         {func(c *redshift.Config) { c.Table = "nowhere.t" }, firehose.Config},
		"column":         {func(c *redshift.Config) { c.Columns = []string{"batch", "nothing"} }, firehose.Config},
		"rights":         {func(c *redshift.Config) { c.User, c.Table = "guest", "private" }, firehose.Auth},
		"role":           {func(c *redshift.Config) { c.Role = "arn:aws:iam::000000000000:role/denied" }, firehose.Auth},
		"keys":           {func(c *redshift.Config) { c.Role, c.AccessKey, c.SecretKey = "", k.bucket.AccessKey, "wrong"+secret }, firehose.Auth},
		"no TLS there":   {func(c *redshift.Config) { c.Security = redshift.VerifyFull }, firehose.Config},
		"nobody there":   {func(c *redshift.Config) { c.Host = sinktest.FreeAddress(t) }, firehose.Transient},
		"another bucket": {func(c *redshift.Config) { c.URL = "s3://" + k.name + "/elsewhere/" }, firehose.Config},
		"options":        {func(c *redshift.Config) { c.Options = "NONSENSE" }, firehose.Config},
	} {
		c := k.config(t)
		one.change(&c)
		want(t, name, open(t, c).Deliver(t.Context(), b), one.want)
		probe := open(t, c).Probe(t.Context())
		if seen := !strings.Contains("column role keys another bucket options", name); seen && probe.Class != one.want || !seen && !probe.Done() {
			t.Errorf("%s: probe: %s: %v", name, probe.Class, probe.Err)
		}
		k.holds(t)
	}
	c := k.config(t)
	c.Role, c.AccessKey, c.SecretKey = "", k.bucket.AccessKey, k.bucket.SecretKey
	deliver(t, open(t, c), b)
	k.holds(t, b)
}

// aside: the objects of refused records are kept in the bucket and not loaded.
func aside(t *testing.T, k *table) {
	b := documents(t, "aside", 3)
	b.Object = "processing-failed/2026/" + b.Object
	deliver(t, k.sink(t), b)
	k.holds(t)
	if _, err := fetch(client(k.bucket, k.bucket.AccessKey, k.bucket.SecretKey), k.name, b.Object); err != nil {
		t.Error(err)
	}
}
