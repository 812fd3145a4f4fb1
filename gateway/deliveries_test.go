package gateway_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/gateway"
	"headgate/shardlog"
)

// arrived waits until a delivery has delivered so many records.
func arrived(t *testing.T, c *gateway.Client, name string, records uint64) gateway.DeliveryDetail {
	t.Helper()
	var d gateway.DeliveryDetail
	until(t, 20*time.Second, "records are delivered", func() (string, bool) {
		var err error
		d, err = c.Delivery(context.Background(), name)
		return fmt.Sprintf("%+v %v", d.DeliveryStatus, err), err == nil && d.Records == records
	})
	return d
}

func putSome(t *testing.T, g *gateway.Gateway, stream string, n int) {
	t.Helper()
	k := client(g, "any", "thing")
	for i := range n {
		_, err := k.PutRecord(context.Background(), &kinesis.PutRecordInput{StreamName: aws.String(stream), PartitionKey: aws.String(fmt.Sprint(i)), Data: fmt.Appendf(nil, "r%d", i)})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A delivery that is made, changed and deleted while the gateway runs is there
// again after a restart, and gone for good after it was deleted.
func TestAStoredDeliveryComesAndGoes(t *testing.T) {
	t.Parallel()
	data, folder := t.TempDir(), t.TempDir()
	g, stop := start(t, data, func(c *gateway.Config) { c.Open = true })
	c, ctx := gateway.Dial(data), context.Background()
	made, err := c.CreateDelivery(ctx, fmt.Sprintf("name: out\nstream: telemetry\ninterval: 1s\nlocal: {folder: %q}\n", folder))
	if err != nil {
		t.Fatal(err)
	}
	if made.Origin != "stored" || made.Stream != "telemetry" || made.Created.IsZero() || !strings.HasPrefix(made.Document, "name: out") {
		t.Fatalf("made %+v", made)
	}
	putSome(t, g, "telemetry", 20)
	arrived(t, c, "out", 20)
	if _, err := c.CreateDelivery(ctx, made.Document); shardlog.KindOf(err) != shardlog.InUse {
		t.Errorf("made twice: %v", err)
	}
	stop()
	g, _ = start(t, data, func(c *gateway.Config) { c.Open = true })
	putSome(t, g, "telemetry", 5)
	arrived(t, c, "out", 25)
	if err := c.DeleteDelivery(ctx, "out"); err != nil {
		t.Fatal(err)
	}
	until(t, 10*time.Second, "the delivery is gone", func() (string, bool) {
		_, err := c.Delivery(ctx, "out")
		return fmt.Sprint(err), err != nil && shardlog.KindOf(err) == shardlog.NotFound
	})
	if err := c.DeleteDelivery(ctx, "out"); shardlog.KindOf(err) != shardlog.NotFound {
		t.Errorf("deleted twice: %v", err)
	}
	if all, err := c.Deliveries(ctx); err != nil || len(all) != 0 {
		t.Errorf("left %v %v", all, err)
	}
	// Made again, it begins anew: nothing of its past is left.
	if _, err := c.CreateDelivery(ctx, made.Document); err != nil {
		t.Fatal(err)
	}
	arrived(t, c, "out", 25)
}

func TestADeliveryOfTheFileIsLeftAlone(t *testing.T) {
	t.Parallel()
	data, folder := t.TempDir(), t.TempDir()
	start(t, data, func(c *gateway.Config) {
		c.Open = true
		c.Deliveries = []gateway.DeliveryConfig{{Name: "out", Stream: "telemetry", Local: &gateway.LocalConfig{Folder: folder}}}
	})
	c, ctx := gateway.Dial(data), context.Background()
	if err := c.DeleteDelivery(ctx, "out"); shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(err.Error(), "configuration file") {
		t.Errorf("deleted: %v", err)
	}
	_, err := c.CreateDelivery(ctx, fmt.Sprintf("{name: out, stream: telemetry, local: {folder: %q}}", folder))
	if shardlog.KindOf(err) != shardlog.InUse {
		t.Errorf("made beside it: %v", err)
	}
	if all, err := c.Deliveries(ctx); err != nil || len(all) != 1 || all[0].Origin != "file" {
		t.Errorf("%v %v", all, err)
	}
	if r, err := c.TestDelivery(ctx, "out"); err != nil || !r.OK || r.Sink == "" {
		t.Errorf("probe: %+v %v", r, err)
	}
}

// What cannot be opened is refused when it is made; what cannot be opened any
// more says so, with advice, and goes on once it can.
func TestADeliveryThatCannotBeOpenedIsHeld(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, stop := start(t, data, func(c *gateway.Config) { c.Open = true })
	c, ctx := gateway.Dial(data), context.Background()
	secret := filepath.Join(t.TempDir(), "secret")
	lake := fmt.Sprintf("name: lake\nstream: telemetry\ns3:\n  bucket: lake\n  endpoint: http://127.0.0.1:1\n  access_key: {file: %q}\n  secret_key: {file: %q}\n", secret, secret)
	if _, err := c.CreateDelivery(ctx, lake); shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(err.Error(), secret) {
		t.Errorf("made without its secret: %v", err)
	}
	for document, want := range map[string]string{
		"name: x\nstream: s\n":                                         "give it one sink",
		"name: x\nstream: s\nlocl: {folder: f}\n":                      `no setting "locl", did you mean "local"?`,
		"name: x\nstream: s\nlocal: {folder: f}\ns3: {bucket: b}\n":    "give it one sink",
		"name: x\nstream: s\nsplunk: {url: http://x}\n":                "splunk.token: it must say where the token lies",
		"name: x\nstream: s\nprefix: '!{nope}'\nlocal: {folder: f}\n":  "!{nope} is unknown",
		"name: x\nstream: s\ns3: {bucket: b, secret_key: {file: s}}\n": "access_key and secret_key go together",
	} {
		if _, err := c.CreateDelivery(ctx, document); shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", document, err)
		}
	}
	if err := os.WriteFile(secret, []byte("s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err := c.CreateDelivery(ctx, lake); err != nil || strings.Contains(fmt.Sprintf("%+v", d), "s3cr3t") {
		t.Fatalf("%+v %v", d, err)
	}
	if r, err := c.TestDelivery(ctx, "lake"); err != nil || r.OK || r.Class != "transient" || r.Advice == "" {
		t.Errorf("probe: %+v %v", r, err)
	}
	stop()
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	start(t, data, func(c *gateway.Config) { c.Open = true })
	state := func(want string) func() (string, bool) {
		return func() (string, bool) {
			d, err := c.Delivery(ctx, "lake")
			return fmt.Sprintf("%+v %v", d, err), err == nil && d.State == want && (want != "held" || d.Advice != "" && strings.Contains(d.LastError, secret))
		}
	}
	until(t, 10*time.Second, "it is held", state("held"))
	if err := os.WriteFile(secret, []byte("s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, 20*time.Second, "it is opened again", state("running"))
}
