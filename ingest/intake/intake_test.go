package intake_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/ingest/intake"
	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/shardlogtest"
)

func gate(t testing.TB, c intake.Config) *intake.Gate {
	t.Helper()
	g, err := intake.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func take(g *intake.Gate, body io.Reader, headers ...string) (*intake.Body, error) {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return g.Take(httptest.NewRecorder(), r)
}

func zipped(b []byte) *bytes.Buffer {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b) // a buffer takes all
	_ = z.Close()
	return &out
}

// slowly hides a body's length.
func slowly(b []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(b)} }

func TestBodies(t *testing.T) {
	for _, size := range []int{0, 1, 32<<10 - 1, 32 << 10, 32<<10 + 1, 100000} {
		want := bytes.Repeat([]byte{'x', byte(size)}, size)[:size]
		g := gate(t, intake.Config{Packed: 100000, Unpacked: 100000})
		for how, body := range map[string]io.Reader{"sized": bytes.NewReader(want), "unsized": slowly(want), "gzip": zipped(want)} {
			var headers []string
			if how == "gzip" {
				headers = []string{"Content-Encoding", "GZIP"}
			}
			got, err := take(g, body, headers...)
			if err != nil || !bytes.Equal(got.Bytes, want) || got.Source != "192.0.2.1" {
				t.Fatalf("%s, %d bytes: %v", how, size, err)
			}
			got.Close()
			got.Close()
		}
	}
}

func TestBounds(t *testing.T) {
	for name, test := range map[string]struct {
		config  intake.Config
		body    io.Reader
		headers []string
		kind    shardlog.Kind
		status  int
	}{
		"sized":    {intake.Config{Packed: 9}, strings.NewReader("0123456789"), nil, shardlog.LimitExceeded, 413},
		"unsized":  {intake.Config{Packed: 9}, slowly([]byte("0123456789")), nil, shardlog.LimitExceeded, 413},
		"unpacked": {intake.Config{Unpacked: 99999}, zipped(make([]byte, 100000)), []string{"Content-Encoding", "gzip"}, shardlog.LimitExceeded, 413},
		"torn":     {intake.Config{}, bytes.NewReader(zipped([]byte("0123456789")).Bytes()[:20]), []string{"Content-Encoding", "gzip"}, shardlog.Invalid, 400},
		"foreign":  {intake.Config{}, strings.NewReader("x"), []string{"Content-Encoding", "br"}, shardlog.Invalid, 415},
		"denied":   {intake.Config{Allow: func(*http.Request) bool { return false }}, iotestNever{}, nil, shardlog.Denied, 401},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := take(gate(t, test.config), test.body, test.headers...)
			if err == nil || shardlog.KindOf(err) != test.kind {
				t.Fatalf("%v, want %v", err, test.kind)
			}
			if code, _ := intake.Status(err); code != test.status {
				t.Errorf("status %d, want %d", code, test.status)
			}
		})
	}
}

// iotestNever is a body that must not be read.
type iotestNever struct{}

func (iotestNever) Read([]byte) (int, error) { panic("read") }

func TestRequestsUnderWayAreBounded(t *testing.T) {
	g := gate(t, intake.Config{Requests: 2})
	var held []*intake.Body
	for range 2 {
		b, err := take(g, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, b)
	}
	if _, err := take(g, strings.NewReader("x")); err == nil || shardlog.KindOf(err) != shardlog.Unavailable || shardlog.RetryAfter(err) == 0 {
		t.Errorf("a third: %v", err)
	}
	held[0].Close()
	held[0].Close() // once more gives nothing back
	if _, err := take(g, strings.NewReader("x")); err != nil {
		t.Error(err)
	}
	if _, err := take(g, strings.NewReader("x")); err == nil {
		t.Error("closing twice made room for two")
	}
	if s := g.Stats(); s.Busy != 2 || s.Bytes != 3 {
		t.Errorf("%+v", s)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	g := gate(t, intake.Config{Unpacked: 1 << 20, Memory: 1}) // is as much as two bodies
	one, err := take(g, slowly(make([]byte, 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	two, err := take(g, bytes.NewReader(make([]byte, 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take(g, strings.NewReader("xx")); err == nil || shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("a third: %v", err)
	}
	one.Close()
	two.Close()
	if _, err := take(g, slowly(make([]byte, 1<<20))); err != nil {
		t.Error(err)
	}
}

func TestQuotas(t *testing.T) {
	at := time.Unix(1e9, 0)
	g := gate(t, intake.Config{PerSource: quota.Limits{RecordsIn: 1000, BytesIn: 100}, Unpacked: 1000,
		Source: func(r *http.Request) string { return r.Header.Get("From") }, Now: func() time.Time { return at }})
	send := func(from string, size int) error {
		b, err := take(g, bytes.NewReader(make([]byte, size)), "From", from)
		if err == nil {
			b.Close()
		}
		return err
	}
	if err := send("a", 100); err != nil {
		t.Fatal(err)
	}
	if err := send("a", 50); err == nil || shardlog.KindOf(err) != shardlog.Throttled || shardlog.RetryAfter(err) != 500*time.Millisecond {
		t.Errorf("%v", err)
	}
	if err := send("b", 50); err != nil {
		t.Error(err)
	}
	at = at.Add(500 * time.Millisecond)
	if err := send("a", 50); err != nil {
		t.Error(err)
	}
	for i := range 10000 { // more sources than are remembered: those beyond share a quota
		if err := send(fmt.Sprint("many-", i), 1); err != nil {
			if i < 4000 {
				t.Fatalf("source %d: %v", i, err)
			}
			return
		}
	}
	t.Error("sources are not bounded")
}

// TestABodyThatDoesNotCome holds a slot for as long as it may.
func TestABodyThatDoesNotCome(t *testing.T) {
	g := gate(t, intake.Config{Arrive: 20 * time.Millisecond})
	got := make(chan error, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := g.Take(w, r)
		got <- err
	}))
	defer web.Close()
	c, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx"); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err == nil || shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("%v", err)
	}
}

func entries(n int, key func(int) string) []shardlog.Entry {
	all := make([]shardlog.Entry, n)
	for i := range all {
		all[i] = shardlog.Entry{Key: key(i), Data: fmt.Append(nil, i)}
	}
	return all
}

func same(int) string { return "k" }

func TestStoreMakesTheStreamOnce(t *testing.T) {
	m := shardlogtest.NewMemory()
	s := intake.Store{Writer: m, Control: m, Patience: time.Second}
	refused, err := s.Put(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 3}, entries(1200, func(i int) string { return fmt.Sprint(i % 7) }))
	if err != nil || len(refused) != 0 || len(m.Records("s")) != 1200 {
		t.Fatalf("%v, %v, %d records", refused, err, len(m.Records("s")))
	}
	s.Control = nil
	if _, err := s.Put(t.Context(), shardlog.StreamSpec{Name: "other"}, entries(1, same)); err == nil || shardlog.KindOf(err) != shardlog.NotFound {
		t.Errorf("%v", err)
	}
}

func TestStoreRefusesWhatNeverFits(t *testing.T) {
	m := shardlogtest.NewMemory()
	s := intake.Store{Writer: m, Control: m, Patience: time.Second}
	all := entries(5, same)
	all[2].Data = make([]byte, 2<<20)
	refused, err := s.Put(t.Context(), shardlog.StreamSpec{Name: "s"}, all)
	if err != nil || len(refused) != 1 || refused[0].Index != 2 || len(m.Records("s")) != 4 {
		t.Errorf("%v, %v, %d records", refused, err, len(m.Records("s")))
	}
}

// picky answers Invalid to a whole Put that has an entry it does not like.
type picky struct{ *shardlogtest.Memory }

func (p picky) Put(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	for _, e := range entries {
		if string(e.Data) == "1" {
			return nil, shardlog.Errorf(shardlog.Invalid, "put", "a one")
		}
	}
	return p.Memory.Put(ctx, name, entries, with...)
}

func TestStoreFindsTheOneThatSpoilsThePut(t *testing.T) {
	m := shardlogtest.NewMemory()
	s := intake.Store{Writer: picky{m}, Control: m, Patience: time.Second}
	refused, err := s.Put(t.Context(), shardlog.StreamSpec{Name: "s"}, entries(4, same))
	if err != nil || len(refused) != 1 || refused[0].Index != 1 || len(m.Records("s")) != 3 {
		t.Errorf("%v, %v, %d records", refused, err, len(m.Records("s")))
	}
}

// TestStoreIsPatientWithTheRest is about time: nothing stored is answered at
// once, the rest of something is tried until it fits or patience ends.
func TestStoreIsPatientWithTheRest(t *testing.T) {
	for name, test := range map[string]struct {
		n        int
		patience time.Duration
		took     time.Duration
		kind     shardlog.Kind
		stored   int
	}{
		"fits at last":   {25, 10 * time.Second, 2 * time.Second, shardlog.Internal, 25},
		"patience ends":  {35, 1500 * time.Millisecond, 1500 * time.Millisecond, shardlog.Throttled, 20},
		"fits within it": {10, time.Second, 0, shardlog.Internal, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := shardlogtest.NewMemory()
				m.Quota = &quota.Limits{RecordsIn: 10}
				if err := m.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1}); err != nil {
					t.Fatal(err)
				}
				s := intake.Store{Writer: m, Patience: test.patience}
				from := time.Now()
				_, err := s.Put(t.Context(), shardlog.StreamSpec{Name: "s"}, entries(test.n, same))
				if took := time.Since(from); took > test.took {
					t.Errorf("took %v, want %v at most", took, test.took)
				}
				if (err != nil) != (test.kind != shardlog.Internal) || err != nil && shardlog.KindOf(err) != test.kind {
					t.Errorf("%v", err)
				}
				all := m.Records("s")
				if err == nil && len(all) != test.stored {
					t.Errorf("%d records, want %d", len(all), test.stored)
				}
				for i, one := range all {
					if string(one.Data) != fmt.Sprint(i) {
						t.Errorf("record %d is %s", i, one.Data)
					}
				}
			})
		})
	}
}

func TestStoreAnswersAtOnceWhenNothingIsStored(t *testing.T) {
	m := shardlogtest.NewMemory()
	var puts atomic.Int64
	for _, kind := range []shardlog.Kind{shardlog.Throttled, shardlog.Unavailable, shardlog.Unknown, shardlog.Full} {
		m.Fail = func(string) error { puts.Add(1); return &shardlog.Error{Kind: kind, Op: "put"} }
		s := intake.Store{Writer: m, Control: m, Patience: time.Hour}
		if _, err := s.Put(t.Context(), shardlog.StreamSpec{Name: "s"}, entries(3, same)); err == nil || shardlog.KindOf(err) != kind {
			t.Errorf("%v: %v", kind, err)
		}
	}
	if puts.Load() != 4 {
		t.Errorf("%d puts", puts.Load())
	}
}

func TestStatus(t *testing.T) {
	for _, test := range []struct {
		err   error
		code  int
		retry string
	}{
		{errors.New("foreign"), 503, "1"},
		{context.DeadlineExceeded, 503, "1"},
		{&shardlog.Error{Kind: shardlog.Throttled, RetryAfter: 1001 * time.Millisecond}, 429, "2"},
		{&shardlog.Error{Kind: shardlog.Full}, 503, "30"},
		{&shardlog.Error{Kind: shardlog.Denied}, 403, ""},
		{&shardlog.Error{Kind: shardlog.LimitExceeded}, 413, ""},
	} {
		h := http.Header{}
		if code := intake.Refuse(h, test.err); code != test.code || h.Get("Retry-After") != test.retry {
			t.Errorf("%v: %d, Retry-After %q", test.err, code, h.Get("Retry-After"))
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []intake.Config{{Packed: -1}, {PerSource: quota.Limits{BytesIn: -1}}} {
		if _, err := intake.New(c); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func FuzzMeta(f *testing.F) {
	f.Add(intake.Meta{Kind: intake.Line, Type: "t", Source: "s", Bucket: "b", Precision: "ms"}.Append(nil))
	f.Add([]byte{1, 9, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := intake.DecodeMeta(b)
		if err != nil {
			if shardlog.KindOf(err) != shardlog.Corrupt {
				t.Fatal(err)
			}
			return
		}
		if again, err := intake.DecodeMeta(m.Append(nil)); err != nil || again != m {
			t.Fatalf("%+v, then %+v, %v", m, again, err)
		}
	})
}
