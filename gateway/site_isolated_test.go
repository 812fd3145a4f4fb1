package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/gateway"
)

// TestALoneBoxGoesOn kills two of three. The last one acknowledges devices
// from its spool and says so, over a restart as well; when the others are back
// everything follows in order, once, and with the time when it was taken.
func TestALoneBoxGoesOn(t *testing.T) {
	t.Parallel()
	s := grown(t, 3, "--spool-grace", "1s")
	leader, followers := s.leader()
	last := followers[0]
	device := last.device("lonely")
	publish(t, device, "before", 10)
	for _, b := range []*box{leader, followers[1]} {
		b.kill()
	}
	cut := time.Now()
	publish(t, device, "during", 30)
	saysIsolated(t, s, last)

	made := regexp.MustCompile(`=(\S+)\n.*=(\S+)\n`).FindStringSubmatch(last.does("keys", "create"))

	last.stop()
	last.start()
	if st := last.status(); !st.Site.Spool.Isolated || st.Site.Spool.Records < 20 {
		t.Errorf("after a restart: %+v", st.Site.Spool)
	}
	device = last.device("lonely")
	publish(t, device, "again", 10)
	last.kill()
	last.start()
	publish(t, last.device("lonely"), "killed", 10)
	back := time.Now()

	together([]*box{leader, followers[1]}, (*box).start)
	s.settled(3)
	drained(t, last)
	inOrder(t, s.alike(), nil)
	if len(made) == 3 { // a key made meanwhile is good at all gateways
		until(t, 10*time.Second, "the others know the key", func() (string, bool) {
			_, err := leader.client(made[1], made[2]).ListStreams(context.Background(), &kinesis.ListStreamsInput{})
			return fmt.Sprint(err), err == nil
		})
	} else {
		t.Errorf("no key was made: %v", made)
	}
	var got []string
	for _, r := range last.tail() {
		if r.Key != "lonely" {
			continue
		}
		got = append(got, string(r.Data))
		if spooled := !strings.HasPrefix(string(r.Data), "before"); spooled && (r.Origin.Before(cut.Add(-time.Second)) || r.Origin.After(back) || r.Arrived.Before(back)) {
			t.Errorf("%s was taken at %v, arrived at %v; cut off from %v to %v", r.Data, r.Origin, r.Arrived, cut, back)
		}
	}
	if want := slices.Concat(names("before", 10), names("during", 30), names("again", 10), names("killed", 10)); !slices.Equal(got, want) {
		t.Errorf("got %d records, want %d in order: %v", len(got), len(want), got)
	}
}

func names(name string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(name, " ", i))
	}
	return all
}

// publish sends messages of QoS 1 and 2 in turn, each after the one before was
// acknowledged.
func publish(t *testing.T, device mqtt.Client, name string, n int) {
	t.Helper()
	for i, data := range names(name, n) {
		token := device.Publish("plant/line", byte(1+i%2), false, data)
		if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatalf("publish %s: %v", data, token.Error())
		}
	}
}

// saysIsolated wants an isolated gateway to say so everywhere.
func saysIsolated(t *testing.T, s *trio, b *box) {
	t.Helper()
	k := s.kinesis(b, func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
	_, err := k.PutRecord(context.Background(), &kinesis.PutRecordInput{StreamName: telemetry, PartitionKey: aws.String("k"), Data: []byte("refused")})
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "ServiceUnavailable") {
		t.Errorf("the Kinesis API answers %v", err)
	}
	if code, text := b.get("/readyz"); code != http.StatusOK || !strings.Contains(text, "isolated") {
		t.Errorf("/readyz: %d %s", code, text)
	}
	if _, text := b.get("/metrics"); !strings.Contains(text, "\nheadgate_isolated 1\n") || strings.Contains(text, "\nheadgate_spool_kept_records_total 0\n") {
		t.Errorf("/metrics: %s", text)
	}
	if text := b.does("status"); !strings.Contains(text, "! isolated since") || !strings.Contains(text, "no leader") {
		t.Errorf("status: %s", text)
	}
	if text := b.does("spool"); !strings.Contains(text, "records go to the spool") {
		t.Errorf("spool: %s", text)
	}
}

// drained waits until a gateway's spool is empty.
func drained(t *testing.T, b *box) {
	t.Helper()
	until(t, 20*time.Second, "the spool is drained", func() (string, bool) {
		spool := b.status().Site.Spool
		return fmt.Sprintf("%+v", spool), !spool.Isolated && spool.Rows == 0
	})
}

// tail reads telemetry by the command line.
func (b *box) tail() (all []gateway.TailRecord) {
	b.t.Helper()
	for line := range bytes.Lines([]byte(b.does("tail", "telemetry", "-o", "json"))) {
		var r gateway.TailRecord
		if err := json.Unmarshal(line, &r); err != nil {
			b.t.Fatalf("%s: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}
