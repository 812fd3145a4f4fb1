package awsapi_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/gateway/awsapi"
)

// Bodies that do not fit together come in one after the other, and all of
// them do.
func TestLargeBodiesStandInLine(t *testing.T) {
	_, url := open(t, func(c *awsapi.Config) { c.Memory = awsapi.MaxBody })
	body := `{"Word":"hi","Unknown":"` + strings.Repeat("x", 5<<20) + `"}`
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got := send(t, sign(t, request(t, url, body), owner, "us-east-1", time.Now()))
			if got.status != 200 {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	all.Wait()
}

// A body that never comes holds up others of its size, but neither small
// ones nor the server.
func TestUnfinishedBody(t *testing.T) {
	door, url := open(t, func(c *awsapi.Config) { c.Memory = awsapi.MaxBody })
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n{")
	deadline := time.Now().Add(5 * time.Second)
	for door.Stats().UnderWay == 0 && time.Now().Before(deadline) {
		<-time.After(time.Millisecond)
	}
	send(t, sign(t, request(t, url, `{"Word":"hi"}`), owner, "us-east-1", time.Now())).
		wants(t, 200, `{"Word":"hi","Key":"`+keyID+`","Region":"us-east-1","SkewUnchecked":false}`)
}

// A body that ends early is never answered with success.
func TestBodyCutShort(t *testing.T) {
	_, url := open(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil || strings.Contains(string(text), " 200 ") {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestTooManyCalls(t *testing.T) {
	door, url := open(t, func(c *awsapi.Config) { c.Calls = 1 })
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	deadline := time.Now().Add(5 * time.Second)
	for door.Stats().UnderWay == 0 && time.Now().Before(deadline) {
		<-time.After(time.Millisecond)
	}
	send(t, sign(t, request(t, url, `{"Word":"hi"}`), owner, "us-east-1", time.Now())).
		wants(t, 503, `{"__type":"ServiceUnavailable","message":"Too many requests are under way. Please try again."}`)
	conn.Close()
	for door.Stats().UnderWay > 0 && time.Now().Before(deadline) {
		<-time.After(time.Millisecond)
	}
	send(t, sign(t, request(t, url, `{"Word":"nothing"}`), owner, "us-east-1", time.Now())).wants(t, 200, "")
}

func TestManyAtOnce(t *testing.T) {
	_, url := open(t)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			word := fmt.Sprintf("w%d", i)
			r := sign(t, request(t, url, `{"Word":"`+word+`"}`), owner, "us-east-1", time.Now())
			got, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer got.Body.Close()
			if body, _ := io.ReadAll(got.Body); !strings.HasPrefix(string(body), `{"Word":"`+word+`"`) {
				t.Errorf("asked for %s, got %s", word, body)
			}
		})
	}
	all.Wait()
}
