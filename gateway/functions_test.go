package gateway_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headgate/firehose/sinktest"
	"headgate/gateway"
	"headgate/shardlog"
)

// A delivery names a function of the configuration file, an unmodified Lambda
// bootstrap that runs beside the gateway; one that is not there is said to be so.
func TestADeliveryCallsAFunctionThatIsHostedHere(t *testing.T) {
	t.Parallel()
	bootstrap := sinktest.Peer(t, "lambda")
	data, folder := t.TempDir(), t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) {
		c.Open = true
		c.Functions = []gateway.LambdaConfig{{Name: "up", Command: []string{bootstrap}}}
	})
	c, ctx := gateway.Dial(data), context.Background()
	const text = "name: out\nstream: telemetry\ninterval: 1s\ncompression: none\ntransform: [{lambda: {function: %s}}]\nlocal: {folder: %q}\n"
	_, err := c.CreateDelivery(ctx, fmt.Sprintf(text, "down", folder))
	if shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(err.Error(), "there is no down under functions") {
		t.Errorf("an unknown function: %v", err)
	}
	if _, err := c.CreateDelivery(ctx, fmt.Sprintf(text, "up", folder)); err != nil {
		t.Fatal(err)
	}
	putSome(t, g, "telemetry", 20)
	arrived(t, c, "out", 20)
	var all strings.Builder
	err = filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		all.Write(b)
		return err
	})
	if err != nil || strings.Count(all.String(), "\nR") != 19 || !strings.Contains(all.String(), "R7 ") {
		t.Errorf("%v: %s", err, all.String())
	}
}

// A stream powers a function: it is invoked with Kinesis's event, hosted here.
func TestAStreamInvokesAFunctionThatIsHostedHere(t *testing.T) {
	t.Parallel()
	bootstrap := sinktest.Peer(t, "lambda")
	data := t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) {
		c.Open = true
		c.Functions = []gateway.LambdaConfig{{Name: "count", Command: []string{bootstrap}, Environment: map[string]string{"TEST_EVENT": "kinesis"}}}
	})
	c := gateway.Dial(data)
	if _, err := c.CreateDelivery(context.Background(), "name: f\nstream: telemetry\ninterval: 1s\nfunction: {name: count, parallel: 3}\n"); err != nil {
		t.Fatal(err)
	}
	putSome(t, g, "telemetry", 30)
	if d := arrived(t, c, "f", 30); d.Refused != 0 {
		t.Errorf("%+v", d)
	}
}
