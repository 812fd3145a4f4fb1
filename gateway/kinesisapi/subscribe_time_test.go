package kinesisapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"headgate/gateway/awsapi"
	"headgate/gateway/kinesisapi"
	"headgate/shardlog/quota"
	"headgate/shardlog/shardlogtest"
)

// bubble is a door without a network, for times that nobody waits for.
type bubble struct {
	*testing.T
	log  *shardlogtest.Memory
	api  *kinesisapi.API
	door *awsapi.Door
	arn  string // of the consumer
}

func newBubble(t *testing.T) *bubble {
	t.Helper()
	b := &bubble{T: t, log: shardlogtest.NewMemory()}
	var err error
	b.api, err = kinesisapi.New(kinesisapi.Config{Writer: b.log, Reader: b.log, Catalog: b.log, Control: b.log, States: b.log, Limits: quota.Limits{Off: true}})
	if err != nil {
		t.Fatal(err)
	}
	if b.door, err = awsapi.New(awsapi.Config{Services: []awsapi.Service{b.api.Service()}, Open: true}); err != nil {
		t.Fatal(err)
	}
	const stream = "arn:aws:kinesis:eu-central-1:" + account + ":stream/s"
	b.do("CreateStream", `{"StreamName":"s","ShardCount":1}`)
	made := b.do("RegisterStreamConsumer", `{"StreamARN":"`+stream+`","ConsumerName":"app"}`)
	var answer struct{ Consumer struct{ ConsumerARN string } }
	if err := json.Unmarshal(made.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	b.arn = answer.Consumer.ConsumerARN
	return b
}

// do sends one request, and answers when it has been answered in full.
func (b *bubble) do(operation, body string) *httptest.ResponseRecorder {
	return b.doWhile(b.Context(), operation, body)
}

// doWhile is do for a client that goes when ctx ends.
func (b *bubble) doWhile(ctx context.Context, operation, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	w := httptest.NewRecorder()
	b.door.ServeHTTP(w, r.WithContext(ctx))
	return w
}

func (b *bubble) subscribe() *httptest.ResponseRecorder { return b.subscribeWhile(b.Context()) }

func (b *bubble) subscribeWhile(ctx context.Context) *httptest.ResponseRecorder {
	return b.doWhile(ctx, "SubscribeToShard", fmt.Sprintf(`{"ConsumerARN":%q,"ShardId":%q,"StartingPosition":{"Type":"LATEST"}}`, b.arn, firstShard))
}

// event is what a test looks at in an event.
type event struct {
	kind                       string
	Records                    []struct{ Data []byte }
	ContinuationSequenceNumber *string
	MillisBehindLatest         *int64
}

func (b *bubble) events(w *httptest.ResponseRecorder) (all []event) {
	b.Helper()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != awsapi.EventStream {
		b.Fatalf("%d %s", w.Code, w.Body)
	}
	for d := eventstream.NewDecoder(); w.Body.Len() > 0; {
		m, err := d.Decode(w.Body, nil)
		if err != nil {
			b.Fatal(err)
		}
		e := event{}
		if h := m.Headers.Get(":event-type"); h != nil {
			e.kind = h.String()
		} else {
			e.kind = m.Headers.Get(":exception-type").String()
		}
		if err := json.Unmarshal(m.Payload, &e); err != nil {
			b.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// TestFiveQuietMinutes: first the initial response, then an event every five
// seconds with a place to go on at, and then the end.
func TestFiveQuietMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began := newBubble(t), time.Now()
		all := b.events(b.subscribe())
		if took := time.Since(began); took != 5*time.Minute {
			t.Errorf("it lived %v", took)
		}
		if all[0].kind != "initial-response" || len(all) < 1+60 || len(all) > 1+62 {
			t.Errorf("%d events, the first is %s", len(all), all[0].kind)
		}
		for _, e := range all[1:] {
			if e.kind != "SubscribeToShardEvent" || e.Records == nil || len(e.Records) > 0 || e.ContinuationSequenceNumber == nil || e.MillisBehindLatest == nil {
				t.Fatalf("%+v", e)
			}
		}
		if s := b.api.Stats(); s.Subscriptions != 0 || s.Events != int64(len(all)-1) {
			t.Errorf("%+v", s)
		}
	})
}

// TestTakeover: refused up to five seconds, and then the first one ends at once.
func TestTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began := newBubble(t), time.Now()
		ended := make(chan time.Duration, 2)
		first := func() { b.events(b.subscribe()); ended <- time.Since(began) }
		go first()
		time.Sleep(4999 * time.Millisecond)
		if w := b.subscribe(); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "ResourceInUseException") {
			t.Errorf("early: %d %s", w.Code, w.Body)
		}
		time.Sleep(time.Millisecond)
		go first()
		if at := <-ended; at != 5*time.Second {
			t.Errorf("the first ended after %v", at)
		}
		if at := <-ended; at != 5*time.Second+5*time.Minute {
			t.Errorf("the second ended after %v", at)
		}
	})
}

// TestTheGatewayStops: subscriptions end at once, and no more begin.
func TestTheGatewayStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began := newBubble(t), time.Now()
		time.AfterFunc(7*time.Second, b.api.EndSubscriptions)
		b.events(b.subscribe())
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("it lived %v", took)
		}
		if w := b.subscribe(); w.Code == http.StatusOK {
			t.Error("another began")
		}
	})
}

// TestAStreamThatGoes ends its subscriptions with the reason, as an exception frame.
func TestAStreamThatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began := newBubble(t), time.Now()
		time.AfterFunc(7*time.Second, func() { _ = b.log.DeleteStream(b.Context(), "s") })
		all := b.events(b.subscribe())
		if took := time.Since(began); took != 7*time.Second || all[len(all)-1].kind != "ResourceNotFoundException" {
			t.Errorf("after %v: %+v", took, all[len(all)-1])
		}
		if w := b.subscribe(); !strings.Contains(w.Body.String(), "ResourceNotFoundException") {
			t.Errorf("the consumer is still there: %s", w.Body)
		}
	})
}

// TestAClientThatGoes may come again five seconds after it came, and not before.
func TestAClientThatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		for range 2 {
			ctx, stop := context.WithTimeout(t.Context(), time.Second)
			b.events(b.subscribeWhile(ctx))
			stop()
			if n := b.api.Stats().Subscriptions; n != 0 {
				t.Errorf("%d are under way", n)
			}
			if w := b.subscribe(); !strings.Contains(w.Body.String(), "ResourceInUseException") {
				t.Errorf("early: %d %s", w.Code, w.Body)
			}
			time.Sleep(4 * time.Second)
		}
	})
}
