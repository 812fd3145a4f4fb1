package mongodb_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// door stands before a real server and passes messages on, one by one. It
// gives the answers that this server cannot be made to give, and counts.
type door struct {
	address, server string

	mu      sync.Mutex
	instead func(command string) bson.D // an answer in place of the server's; guarded by mu
	cut     string                      // the command whose answer never arrives, once; guarded by mu
	seen    map[string][]int            // bytes of each message, by command; guarded by mu
}

func openDoor(t *testing.T, server string) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{address: l.Addr().String(), server: server, seen: map[string][]int{}}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { d.serve(c) })
		}
	})
	return d
}

func (d *door) answer(instead func(command string) bson.D) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.instead = instead
}

func (d *door) cutAfter(command string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = command
}

func (d *door) sizes(command string) []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[command]
}

func (d *door) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", d.server)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		asked, err := message(client)
		if err != nil {
			return
		}
		command := command(asked)
		d.mu.Lock()
		d.seen[command] = append(d.seen[command], len(asked))
		instead, cut := d.instead, command != "" && d.cut == command
		if cut {
			d.cut = ""
		}
		d.mu.Unlock()
		var said []byte
		if instead != nil {
			if doc := instead(command); doc != nil {
				said = reply(asked, doc)
			}
		}
		if said == nil {
			if said, err = ask(server, asked); err != nil {
				return
			}
		}
		if cut {
			return
		}
		if _, err := client.Write(said); err != nil {
			return
		}
	}
}

func ask(server net.Conn, m []byte) ([]byte, error) {
	if _, err := server.Write(m); err != nil {
		return nil, err
	}
	return message(server)
}

// message reads one: its length in four bytes goes first.
func message(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 16 || n > 64<<20 {
		return nil, errors.New("no message")
	}
	m := append(head[:], make([]byte, n-4)...)
	_, err := io.ReadFull(r, m[4:])
	return m, err
}

const opMsg = 2013

// command is the name of an OP_MSG's command: the first key of the document
// in its first section (kind zero), or of the one behind it.
func command(m []byte) string {
	if binary.LittleEndian.Uint32(m[12:]) != opMsg {
		return ""
	}
	for at := 20; at < len(m); {
		kind, size := m[at], int(binary.LittleEndian.Uint32(m[at+1:]))
		if kind == 0 {
			elements, err := bson.Raw(m[at+1 : at+1+size]).Elements()
			if err != nil || len(elements) == 0 {
				return ""
			}
			return elements[0].Key()
		}
		at += 1 + size
	}
	return ""
}

func reply(to []byte, doc bson.D) []byte {
	body, err := bson.Marshal(doc)
	if err != nil {
		panic(err)
	}
	m := make([]byte, 21, 21+len(body))
	binary.LittleEndian.PutUint32(m, uint32(21+len(body)))
	copy(m[8:], to[4:8])
	binary.LittleEndian.PutUint32(m[12:], opMsg)
	return append(m, body...)
}
