package awsapi_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"headgate/gateway/awsapi"
)

// served fails unless a caller with a key is answered at once.
func served(t *testing.T, url string) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second}
	sendBy(t, client, sign(t, request(t, url, `{"Word":"hi"}`), owner, "us-east-1", time.Now())).
		wants(t, 200, `{"Word":"hi","Key":"`+keyID+`","Region":"us-east-1","SkewUnchecked":false}`)
}

// until waits for what a door's stats say.
func until(t *testing.T, door *awsapi.Door, want func(awsapi.Stats) bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(20 * time.Second); !want(door.Stats()); <-tick.C {
		if time.Now().After(late) {
			t.Fatalf("%+v", door.Stats())
		}
	}
}

// dial opens so many connections that each send the same and no more.
func dial(t *testing.T, url string, n int, sent string) {
	t.Helper()
	for range n {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStrangersWithSlowBodies fill neither the memory nor the calls of those
// who have a key.
func TestStrangersWithSlowBodies(t *testing.T) {
	door, url := open(t, func(c *awsapi.Config) { c.Calls, c.Memory = 64, awsapi.MaxBody })
	dial(t, url, 200, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 260000\r\n\r\n{")
	until(t, door, func(s awsapi.Stats) bool { return s.UnderWay == 8 && s.Refused == 192 })
	served(t, url)
}

// TestSlowHeaders: connections that never say what they want keep nobody out.
func TestSlowHeaders(t *testing.T) {
	door, url := open(t, func(c *awsapi.Config) { c.Calls = 16 })
	dial(t, url, 500, "POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	served(t, url)
	if s := door.Stats(); s.UnderWay != 0 {
		t.Errorf("%+v", s)
	}
}

// TestThousandsOfStreams of HTTP/2 whose bodies never come keep nobody out.
func TestThousandsOfStreams(t *testing.T) {
	door, url := open(t)
	h2c := new(http.Protocols)
	h2c.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: h2c}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	const streams = 3000
	for range streams {
		go func() {
			defer func() { ended <- struct{}{} }()
			never, _ := io.Pipe()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/", never)
			if err != nil {
				t.Error(err)
				return
			}
			r.ContentLength = 1000
			if answer, err := client.Do(r); err == nil {
				answer.Body.Close()
			}
		}()
	}
	until(t, door, func(s awsapi.Stats) bool { return s.UnderWay == 256 && s.Refused == streams-256 })
	served(t, url)
	stop()
	for range streams {
		<-ended
	}
	client.CloseIdleConnections()
}

// player plays until it is stopped.
func player() awsapi.Service {
	return awsapi.Service{Target: "Player_1", Signing: "parrot", Explain: func(error) *awsapi.Error { return awsapi.Failure() },
		Ops: map[string]awsapi.Operation{"Play": {Flow: func(ctx context.Context, c *awsapi.Call, f *awsapi.Flow) error {
			if _, err := f.Events(); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}}}}
}

// TestFlowsAreNoCalls: answers that go on have their own bound, and beyond it
// clients are told to try again.
func TestFlowsAreNoCalls(t *testing.T) {
	door, url := open(t, func(c *awsapi.Config) { c.Calls, c.Flows, c.Services = 4, 50, append(c.Services, player()) })
	play := func() *http.Response {
		t.Helper()
		r := request(t, url, `{}`)
		r.Header.Set("X-Amz-Target", "Player_1.Play")
		answer, err := http.DefaultClient.Do(sign(t, r, owner, "us-east-1", time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var playing []*http.Response
	for i := range 50 {
		answer := play()
		if answer.StatusCode != http.StatusOK {
			t.Fatal(i, answer.Status)
		}
		playing = append(playing, answer)
	}
	until(t, door, func(s awsapi.Stats) bool { return s.Flows == 50 && s.UnderWay == 0 })
	served(t, url)
	over := play()
	text, err := io.ReadAll(over.Body)
	if err != nil || over.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), "such as subscriptions") {
		t.Errorf("%s %s %v", over.Status, text, err)
	}
	over.Body.Close()
	for _, answer := range playing {
		answer.Body.Close()
	}
	until(t, door, func(s awsapi.Stats) bool { return s.Flows == 0 && s.UnderWay == 0 })
	again := play()
	if again.StatusCode != http.StatusOK {
		t.Error(again.Status)
	}
	again.Body.Close()
}

// TestWhoNeverReads an answer keeps nobody out.
func TestWhoNeverReads(t *testing.T) {
	_, url := open(t)
	asked := "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"
	dial(t, url, 50, strings.Repeat(asked, 500))
	served(t, url)
}
