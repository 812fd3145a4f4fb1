package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"headgate/ingest/web"
	"headgate/shardlog"
)

// begin opens a connection and sends that much.
func (r *rig) begin(t testing.TB, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// reply reads one answer.
func reply(t testing.TB, conn net.Conn) (status int, body string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, string(text)
}

const head = "POST /streams/clicks/records?key=x&k=" + shopKey + " HTTP/1.1\r\nHost: gateway\r\n"

func TestOnesThatNeverEnd(t *testing.T) {
	r := start(t, func(_ *rig, c *web.Config) { c.BodyTime = 50 * time.Millisecond })
	conn := r.begin(t, head+"Content-Length: 10\r\n\r\nhalf")
	if status, body := reply(t, conn); status != 408 || !strings.Contains(body, "in time") {
		t.Errorf("%d %s", status, body)
	}
	if n := len(r.texts("clicks")); n != 0 {
		t.Errorf("%d records", n)
	}
}

func TestTheBodysTimeIsNotTheLogs(t *testing.T) {
	r := start(t, func(r *rig, c *web.Config) { c.BodyTime = 50 * time.Millisecond })
	hold := r.log.Hold()
	conn := r.begin(t, head+"Content-Length: 4\r\n\r\nfull")
	if err := hold.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	timer := time.NewTimer(150 * time.Millisecond)
	<-timer.C
	hold.Release()
	if status, body := reply(t, conn); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

// TestWhoLeavesIsStored is a page that goes while its beacon is on its way.
func TestWhoLeavesIsStored(t *testing.T) {
	r := start(t, nil)
	if err := r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "clicks"}); err != nil {
		t.Fatal(err)
	}
	hold := r.log.Hold()
	conn := r.begin(t, head+"Content-Length: 4\r\n\r\nlast")
	if err := hold.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	timer := time.NewTimer(50 * time.Millisecond) // for the server to notice
	<-timer.C
	if n := r.Stats().UnderWay; n != 1 {
		t.Errorf("%d under way", n)
	}
	hold.Release()
	until(t, "the request ends", func() bool { return r.Stats().UnderWay == 0 })
	same(t, r.texts("clicks"), "last")
	if s := r.Stats(); s.Records != 1 {
		t.Errorf("%+v", s)
	}
}

func TestALogThatDoesNotAnswer(t *testing.T) {
	r := start(t, func(_ *rig, c *web.Config) { c.PutTime = 30 * time.Millisecond })
	hold := r.log.Hold()
	defer hold.Release()
	r.post(t, "/streams/clicks/records?k="+shopKey, "x").wants(t, 503, "unknown")
}

func TestTooManyAtOnce(t *testing.T) {
	r := start(t, func(_ *rig, c *web.Config) {
		c.MaxRequests, c.MaxByAddress = 3, 2
		c.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	if err := r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "clicks"}); err != nil {
		t.Fatal(err)
	}
	by := func(who string) answer {
		return r.post(t, "/streams/clicks/records?k="+shopKey, "x", "X-Forwarded-For", who)
	}
	slow := func(who string) { r.begin(t, head+"X-Forwarded-For: "+who+"\r\nContent-Length: 10\r\n\r\nhalf") }
	slow("192.0.2.1")
	slow("192.0.2.1")
	until(t, "two are under way", func() bool { return r.Stats().UnderWay == 2 })
	by("192.0.2.1").wants(t, 429, "throttled")
	by("192.0.2.2").wants(t, 200, "")
	slow("192.0.2.2")
	until(t, "three are under way", func() bool { return r.Stats().UnderWay == 3 })
	by("192.0.2.3").wants(t, 503, "unavailable")
}

// TestManySlowBodies takes no more memory than is allowed, and serves again
// once it is free.
func TestManySlowBodies(t *testing.T) {
	r := start(t, func(_ *rig, c *web.Config) {
		c.MaxBody, c.MaxUnpacked, c.MaxRecords, c.MaxMemory = 64<<10, 1, 1, 192<<10
		c.MaxByAddress = 100
		c.Sites[0].AddressRate.Bytes = -1
	})
	var conns []net.Conn
	for range 2 {
		conns = append(conns, r.begin(t, head+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", 64<<10, strings.Repeat("x", 64<<10-1))))
	}
	path := "/streams/clicks/records?key=x&k=" + shopKey
	until(t, "memory is short", func() bool {
		a := r.post(t, path, packed(t, strings.Repeat("y", 60<<10)), "Content-Encoding", "gzip")
		if a.status != 503 && a.status != 200 {
			t.Errorf("%d %s", a.status, a.text)
		}
		b := r.post(t, path, strings.Repeat("y", 64<<10-5), "Accept", "*/*")
		return a.status == 503 || b.status == 503
	})
	for _, conn := range conns {
		if _, err := io.WriteString(conn, "x"); err != nil {
			t.Fatal(err)
		}
		if status, body := reply(t, conn); status != 200 {
			t.Errorf("%d %s", status, body)
		}
	}
	until(t, "all ends", func() bool { return r.Stats().UnderWay == 0 })
	r.post(t, path, strings.Repeat("z", 64<<10)).wants(t, 200, "")
}

func TestProxies(t *testing.T) {
	for _, c := range []struct {
		proxies, forwarded, want string
	}{
		{"", "192.0.2.1", "127.0.0.1"}, // nobody is believed
		{"10.0.0.0/8", "192.0.2.1", "127.0.0.1"},
		{"127.0.0.0/8", "192.0.2.1", "192.0.2.1"},
		{"127.0.0.0/8", "6.6.6.6, 192.0.2.1", "192.0.2.1"}, // what stands in front is the sender's own claim
		{"127.0.0.0/8 10.0.0.0/8", "6.6.6.6, 192.0.2.1, 10.1.1.1", "192.0.2.1"},
		{"127.0.0.0/8 10.0.0.0/8", "10.2.2.2, 10.1.1.1", "10.2.2.2"},
		{"127.0.0.0/8", "junk, 192.0.2.1:80", "127.0.0.1"},
		{"127.0.0.0/8", "", "127.0.0.1"},
		{"127.0.0.0/8", "::ffff:192.0.2.1", "192.0.2.1"},
		{"127.0.0.0/8", "2001:db8::1%eth0", "2001:db8::1"},
	} {
		r := start(t, func(_ *rig, cfg *web.Config) {
			for _, p := range strings.Fields(c.proxies) {
				cfg.Proxies = append(cfg.Proxies, netip.MustParsePrefix(p))
			}
		})
		r.post(t, "/streams/clicks/records?k="+shopKey, "x", "X-Forwarded-For", c.forwarded).wants(t, 200, "")
		if got := r.meta(t, "clicks").Address.String(); got != c.want {
			t.Errorf("%s: %s: %s, want %s", c.proxies, c.forwarded, got, c.want)
		}
	}
}

// TestAClientThatCancels is told nothing and stores, like one that leaves.
func TestAClientThatCancels(t *testing.T) {
	r := start(t, nil)
	hold := r.log.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+"/streams/clicks/records?k="+shopKey, strings.NewReader("x"))
		if err == nil {
			_, err = http.DefaultClient.Do(q) //nolint:bodyclose // there is none
		}
		done <- err
	}()
	if err := hold.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("answered")
	}
	hold.Release()
	until(t, "it is stored", func() bool { return len(r.texts("clicks")) == 1 })
}
