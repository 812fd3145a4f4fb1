package uplink_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"testing"

	"headgate/firehose/uplink"
	"headgate/shardlog"
)

// socks is a SOCKS5 proxy that asks for a login and connects to one place,
// whatever it is asked for; it says what that was.
func socks(t *testing.T, to string) (address string, asked chan string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked = make(chan string, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			hello := make([]byte, 4) // version, two methods
			_, _ = io.ReadFull(c, hello)
			_, _ = c.Write([]byte{5, 2})
			login := make([]byte, 2+4+1+6) // gate, sesame
			_, _ = io.ReadFull(c, login)
			_, _ = c.Write([]byte{1, 0})
			head := make([]byte, 5) // version, connect, 0, name, its length
			_, _ = io.ReadFull(c, head)
			name := make([]byte, int(head[4])+2)
			_, _ = io.ReadFull(c, name)
			asked <- string(login[2:6]) + " " + string(login[7:]) + " " + string(name[:head[4]])
			far, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				return
			}
			_, _ = c.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 1})
			go func() { _, _ = io.Copy(far, c); far.Close() }()
			go func() { _, _ = io.Copy(c, far); c.Close() }()
		}
	}()
	return l.Addr().String(), asked
}

func TestThroughAProxy(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	address, asked := socks(t, echo.Addr().String())
	u, err := uplink.New(uplink.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l := u.Lane("db", "")
	dial, err := l.Through(&url.URL{Scheme: "socks5", Host: address, User: url.UserPassword("gate", "sesame")})
	if err != nil {
		t.Fatal(err)
	}
	c, err := dial(t.Context(), "tcp", "db.plant:27017")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := <-asked; got != "gate sesame db.plant" {
		t.Error(got)
	}
	said := bytes.Repeat([]byte("hello"), 1000)
	if _, err := c.Write(said); err != nil {
		t.Fatal(err)
	}
	heard := make([]byte, len(said))
	if _, err := io.ReadFull(c, heard); err != nil || !bytes.Equal(heard, said) {
		t.Error(err)
	}
	if s := u.Find("db"); s.Sent < int64(len(said)) || s.Received < int64(len(said)) {
		t.Errorf("%+v", s)
	}
	if _, err := l.Through(&url.URL{Scheme: "http", Host: "proxy:3128"}); shardlog.KindOf(err) != shardlog.Invalid {
		t.Error(err)
	}
}
