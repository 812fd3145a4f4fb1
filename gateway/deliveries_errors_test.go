package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/gateway"
)

// What a destination refuses lies in the delivery's own error stream, each
// record once, and all others arrive.
func TestWhatADestinationRefusesIsKept(t *testing.T) {
	var mu sync.Mutex
	arrived := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct {
			Records []struct{ Kinesis struct{ Data []byte } }
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &event)
		if strings.Contains(string(body), "YmFk") { // "bad" in base64
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rec := range event.Records {
			arrived[string(rec.Kinesis.Data)] = true
		}
	}))
	defer server.Close()
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) {
		c.Open = true
		c.Deliveries = []gateway.DeliveryConfig{{Name: "judge", Stream: "telemetry", Interval: new(gateway.Duration(100 * time.Millisecond)),
			Function: &gateway.FunctionConfig{URL: server.URL, Name: "judge", Attempts: 1}}}
	})
	k := client(g, "any", "thing")
	for i := range 20 {
		text := fmt.Sprint("good ", i)
		if i%5 == 0 {
			text = fmt.Sprint("bad", i)
		}
		_, err := k.PutRecord(context.Background(), &kinesis.PutRecordInput{StreamName: aws.String("telemetry"), PartitionKey: aws.String("k"), Data: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
	}
	deadline, tick := time.After(30*time.Second), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for g.Status().Deliveries[0].Refused < 4 || g.Status().Deliveries[0].Records < 16 {
		select {
		case <-deadline:
			t.Fatalf("%+v", g.Status().Deliveries[0])
		case <-tick.C:
		}
	}
	mu.Lock()
	if len(arrived) != 16 {
		t.Errorf("%d records arrived: %v", len(arrived), arrived)
	}
	mu.Unlock()
	refused := read(t, k, "judge.errors", 4)
	for text, times := range refused {
		var e struct {
			ErrorCode string
			RawData   []byte
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil || times != 1 || !strings.HasPrefix(string(e.RawData), "bad") || e.ErrorCode == "" {
			t.Errorf("%d times %s: %v", times, text, err)
		}
	}
	if len(refused) != 4 {
		t.Errorf("%d records were refused: %v", len(refused), refused)
	}
}
