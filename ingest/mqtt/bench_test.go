package mqtt_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

// pace is a Writer that stores nothing and answers after the time of a commit.
func pace(each time.Duration) shardlog.Writer {
	return writer(func(_ context.Context, _ shardlog.StreamName, e []shardlog.Entry, _ ...shardlog.Mutation) ([]shardlog.Result, error) {
		timer := time.NewTimer(each)
		defer timer.Stop()
		<-timer.C
		return make([]shardlog.Result, len(e)), nil
	})
}

// BenchmarkPublish is acknowledged 128-byte messages a second, over commits of
// 5 ms.
func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct {
		clients, window int
		qos             byte
	}{{1, 1, 1}, {1, 100, 1}, {1, 1000, 1}, {100, 100, 1}, {100, 1, 1}, {1, 500, 2}, {100, 100, 2}} {
		b.Run(fmt.Sprintf("clients=%d/window=%d/qos=%d", c.clients, c.window, c.qos), func(b *testing.B) {
			r := start(b, func(_ *rig, cfg *mqtt.Config) {
				cfg.Writer = pace(5 * time.Millisecond)
				cfg.Log = nil
			})
			var conns []*raw
			for i := range c.clients {
				d, _ := r.login(b, 4, fmt.Sprint("dev", i), nil)
				conns = append(conns, d)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for i, d := range conns {
				n := b.N / c.clients
				if i == 0 {
					n += b.N % c.clients
				}
				all.Go(func() { pipeline(d.Conn, n, c.window, c.qos) })
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
		})
	}
}

// pipeline publishes n messages with a window of them unacknowledged.
func pipeline(conn net.Conn, n, window int, qos byte) {
	var one strings.Builder
	payload := strings.Repeat("x", 128)
	one.WriteString("\x00\x03a/b")
	head := []byte{0x30 | qos<<1, byte(5 + 2 + len(payload)), 0x01}
	head[1], head[2] = byte((5+2+len(payload))&0x7f|0x80), byte((5+2+len(payload))>>7)
	in, out := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriterSize(conn, 64<<10)
	slots := make(chan struct{}, window)
	go func() {
		for i := range n {
			select {
			case slots <- struct{}{}:
			default:
				_ = out.Flush() // a broken connection shows when it is read
				slots <- struct{}{}
			}
			id := i%65000 + 1
			_, _ = out.Write(head)
			_, _ = out.WriteString(one.String())
			_, _ = out.Write([]byte{byte(id >> 8), byte(id)})
			_, _ = out.WriteString(payload)
		}
		_ = out.Flush()
	}()
	var ack [4]byte
	for done := 0; done < n; {
		if _, err := io.ReadFull(in, ack[:]); err != nil {
			panic(err)
		}
		switch ack[0] >> 4 {
		case packets.Pubrec:
			if _, err := conn.Write([]byte{0x62, 2, ack[2], ack[3]}); err != nil {
				panic(err)
			}
		default:
			<-slots
			done++
		}
	}
}
