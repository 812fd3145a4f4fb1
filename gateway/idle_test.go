package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/gateway"
	"headgate/shardlog/keyspace"
)

// watcher counts what a great many subscriptions were sent.
type watcher struct{ open, signs, records atomic.Int64 }

// follow subscribes and counts until ctx ends.
func (w *watcher) follow(ctx context.Context, k *kinesis.Client, consumer, shard string) error {
	out, err := k.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: &consumer, ShardId: &shard, StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}})
	if err != nil {
		return err
	}
	w.open.Add(1)
	defer w.open.Add(-1)
	stream := out.GetStream()
	defer stream.Close()
	for e := range stream.Events() {
		if e, ok := e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); ok {
			w.signs.Add(1)
			w.records.Add(int64(len(e.Value.Records)))
		}
	}
	return stream.Err()
}

// TestThousandsOfIdleSubscriptions are open at once, get their signs of life
// and what is written, keep nobody out and take little memory each.
// HEADGATE_IDLE=10000 is the long form.
func TestThousandsOfIdleSubscriptions(t *testing.T) {
	const consumers = 20
	want := 2000
	if text := os.Getenv("HEADGATE_IDLE"); text != "" {
		var err error
		if want, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	shards := want / consumers
	p := serve(t, t.TempDir(), "--open", "--limits", "off")
	h2c := new(http.Protocols)
	h2c.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: h2c}
	k, ctx := p.client("any", "thing", func(o *kinesis.Options) { o.HTTPClient = &http.Client{Transport: transport} }), t.Context()
	made, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("wide"), ShardCount: aws.Int32(int32(shards))})
	if err != nil {
		t.Fatal(made, err)
	}
	described, err := k.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("wide")})
	if err != nil {
		t.Fatal(err)
	}
	before := p.rss(t)
	own, stop := context.WithCancel(ctx)
	defer stop()
	var w watcher
	var group sync.WaitGroup
	began := time.Now()
	for c := range consumers {
		one, err := k.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: described.StreamDescriptionSummary.StreamARN, ConsumerName: aws.String(fmt.Sprint("c", c))})
		if err != nil {
			t.Fatal(err)
		}
		for s := range shards {
			group.Go(func() {
				if err := w.follow(own, k, *one.Consumer.ConsumerARN, fmt.Sprintf("shardId-%012d", s)); err != nil && own.Err() == nil {
					t.Errorf("subscription: %v", err)
				}
			})
		}
	}
	until(t, 2*time.Minute, "all are open and were sent two signs of life each", func() (string, bool) {
		return fmt.Sprintf("%d open, %d signs", w.open.Load(), w.signs.Load()), t.Failed() || w.open.Load() == int64(want) && w.signs.Load() >= int64(2*want)
	})
	each := (p.rss(t) - before) << 20 / want
	t.Logf("%d subscriptions idle after %v, %d bytes of memory each", want, time.Since(began).Round(time.Second), each)
	if each > 64<<10 {
		t.Errorf("each takes %d bytes of memory", each)
	}
	for _, part := range keyspace.Even(shards) {
		hash := part.From.String()
		if _, err := k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("wide"), PartitionKey: aws.String("k"), ExplicitHashKey: &hash, Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	until(t, time.Minute, "every consumer has every record", func() (string, bool) {
		return fmt.Sprint(w.records.Load()), w.records.Load() == int64(want)
	})
	stop()
	group.Wait()
	transport.CloseIdleConnections()
}

// TestSlowClientsOverTLS shake no hands, or begin requests that they never
// finish: others are served meanwhile.
func TestSlowClientsOverTLS(t *testing.T) {
	data := t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) { c.APITLS = "127.0.0.1:0" })
	authority, err := gateway.Authority(data)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	for i := range 300 {
		conn, err := net.Dial("tcp", g.Addresses().APITLS)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := conn.Write([]byte{22, 3, 1, 2, 0, 1}[:i%7]); err != nil { // the beginning of a ClientHello
			t.Fatal(err)
		}
	}
	slow := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 1500 {
		group.Go(func() {
			never, _ := io.Pipe()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+g.Addresses().APITLS+"/", never)
			if err != nil {
				t.Error(err)
				return
			}
			r.ContentLength = 200 << 10
			if answer, err := slow.RoundTrip(r); err == nil {
				_ = answer.Body.Close() // refused, or out of time
			}
		})
	}
	until(t, 20*time.Second, "many are under way", func() (string, bool) {
		n := g.Status().API.Door.UnderWay
		return fmt.Sprint(n), n >= 256
	})
	pair := g.FirstKey()
	k := kinesis.New(client(g, pair.ID, pair.Secret).Options(), func(o *kinesis.Options) {
		o.BaseEndpoint = aws.String("https://" + g.Addresses().APITLS)
		o.HTTPClient = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	})
	for range 20 {
		if _, err := k.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("telemetry"), PartitionKey: aws.String("a"), Data: []byte("b")}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	group.Wait()
	slow.CloseIdleConnections()
}
