package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"headgate/firmware-sim/fleet"
	"headgate/gateway"
)

// demo is a gateway with devices around it, in one process.
type demo struct {
	*app
	folder   string
	devices  int
	rate     float64
	duration time.Duration
	addrs    [3]string // api, mqtt, console as flags give them
}

func (a *app) demo() *cobra.Command {
	d := &demo{app: a}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a gateway with simulated devices, to look around",
		Long: `Run a gateway, a fleet of simulated devices that publish to it, and a delivery
that writes what they sent into a folder. Everything lies beneath one folder and
goes on there the next time. It listens on loopback only and asks nobody for
credentials.`,
		Example: `  headgate demo
  headgate demo --devices 200 --rate 5
  headgate demo --duration 10s -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	standard := gateway.Defaults()
	f := cmd.Flags()
	f.StringVar(&d.folder, "data", "./headgate-demo", "folder that everything lies beneath")
	f.IntVar(&d.devices, "devices", 20, "number of devices")
	f.Float64Var(&d.rate, "rate", 2, "messages a second of each device")
	f.DurationVar(&d.duration, "duration", 0, "end after this long (default: with Ctrl-C)")
	f.StringVar(&d.addrs[0], "api", standard.API, "address of the AWS APIs; another port is taken if this one is in use")
	f.StringVar(&d.addrs[1], "mqtt", standard.MQTT, "address of the MQTT broker, likewise")
	f.StringVar(&d.addrs[2], "console", standard.Console, "address of health and metrics, likewise")
	return cmd
}

func (d *demo) delivered() string { return filepath.Join(d.folder, "delivered") }

// config is a gateway as people try it: everything default, but open.
func (d *demo) config() (gateway.Config, error) {
	c := gateway.Defaults()
	c.Data, c.Open, c.Log.Level = d.folder, true, "warn"
	c.API, c.MQTT, c.Console = free(d.addrs[0]), free(d.addrs[1]), free(d.addrs[2])
	c.Deliveries = []gateway.DeliveryConfig{{
		Name: "files", Stream: "telemetry", Interval: new(gateway.Duration(10 * time.Second)), Local: &gateway.LocalConfig{Folder: d.delivered()},
	}}
	if err := c.Validate(); err != nil {
		return c, usageError{err}
	}
	return c, nil
}

// free is the address, or one with a port of the system's choice when
// somebody listens there already.
func free(address string) string {
	l, err := net.Listen("tcp", address)
	if err == nil {
		_ = l.Close() // it was only a question
		return address
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		return net.JoinHostPort(host, "0")
	}
	return address
}

func (d *demo) run(ctx context.Context) error {
	c, err := d.config()
	if err != nil {
		return err
	}
	g, err := gateway.New(c)
	if err != nil {
		return err
	}
	// The gateway outlives the devices, so that what they sent is answered.
	living, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	var ended error
	running.Go(func() {
		ended = g.Run(living)
		cancel()
	})
	var totals *fleet.Totals
	select {
	case <-g.Ready():
		d.welcome(g)
		totals, err = d.fleet(ctx, g)
	case <-ctx.Done():
	}
	status := gateway.Status{}
	if totals != nil {
		status = g.Status()
	}
	stop()
	running.Wait()
	if totals != nil {
		err = errors.Join(err, d.sum(*totals, status))
	}
	return errors.Join(err, ended)
}

// fleet runs the devices, and shows one line of progress.
func (d *demo) fleet(ctx context.Context, g *gateway.Gateway) (*fleet.Totals, error) {
	c := fleet.Config{
		Broker: g.Addresses().MQTT, Devices: d.devices, Rate: d.rate, Duration: d.duration,
		Oracle: filepath.Join(d.folder, "acknowledged.txt"),
	}
	c.World.Epoch = time.Now().Truncate(time.Second)
	f, err := fleet.New(c)
	if err != nil {
		if errors.Is(err, fleet.ErrConfig) {
			err = usageError{err}
		}
		return nil, err
	}
	var watching sync.WaitGroup
	over, done := context.WithCancel(context.WithoutCancel(ctx))
	watching.Go(func() { d.watch(over, g, f) })
	err = f.Run(ctx)
	done()
	watching.Wait()
	totals := f.Totals()
	return &totals, err
}

func (d *demo) watch(ctx context.Context, g *gateway.Gateway, f *fleet.Fleet) {
	p := d.progress()
	defer p.clear()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var last fleet.Totals
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		t := f.Totals()
		rate := float64(t.Acknowledged-last.Acknowledged) / max((t.Elapsed-last.Elapsed).Seconds(), 0.001)
		last = t
		line := fmt.Sprintf("%s  %d devices  %s acknowledged (%.0f/s, median %s)", span(t.Elapsed), t.Connected,
			count(uint64(t.Acknowledged)), rate, span(t.AckMedian))
		for _, s := range g.Status().Deliveries {
			line += fmt.Sprintf("  %s files", count(s.Objects))
		}
		p.show("%s", line)
	}
}

// welcome says what to try.
func (d *demo) welcome(g *gateway.Gateway) {
	if d.json() {
		return
	}
	at := g.Addresses()
	host, port, _ := net.SplitHostPort(at.MQTT) // it is a listener's address
	fmt.Fprintf(d.term.out, `A gateway with %[1]d simulated devices. Everything lies beneath %[2]s.

Look, in another terminal:
  %[3]s status --data %[2]s
  %[3]s tail telemetry -f --data %[2]s
  curl http://%[4]s/readyz

Publish like a device:
  mosquitto_pub -h %[5]s -p %[6]s -q 1 -i me -t try/this -m '{"hello":"world"}'

Read like a cloud application, with the AWS CLI or any SDK:
  export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo AWS_DEFAULT_REGION=us-east-1
  kinesis() { aws --endpoint-url http://%[7]s kinesis "$@"; }
  kinesis put-record --stream-name telemetry --partition-key me --data aGVsbG8K
  kinesis get-records --limit 5 --shard-iterator $(kinesis get-shard-iterator --stream-name telemetry --shard-id shardId-000000000000 --shard-iterator-type TRIM_HORIZON --query ShardIterator --output text)

Delivered files appear every ten seconds:
  ls -R %[8]s

Ctrl-C ends it.

`, d.devices, d.folder, self(), at.Console, host, port, at.API, d.delivered())
}

// self is what to type to run this program.
func self() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/headgate"
	}
	return os.Args[0]
}

// demoTotals is what a demo did.
type demoTotals struct {
	Devices fleet.Totals   `json:"devices"`
	Gateway gateway.Status `json:"gateway"`
}

// sum prints what came of it.
func (d *demo) sum(t fleet.Totals, s gateway.Status) error {
	if d.json() {
		return d.printJSON(demoTotals{t, s})
	}
	objects, delivered := uint64(0), uint64(0)
	for _, one := range s.Deliveries {
		objects, delivered = objects+one.Objects, delivered+one.Records
	}
	return d.fields([][2]string{
		{"ran", span(t.Elapsed)},
		{"devices", fmt.Sprintf("%d, at most %d connected at once", t.Devices, t.MostAtOnce)},
		{"sent", fmt.Sprintf("%s messages, %s acknowledged, median %s, 99%% within %s", count(uint64(t.Sent)), count(uint64(t.Acknowledged)), span(t.AckMedian), span(t.Ack99))},
		{"stored", fmt.Sprintf("%s records, %s", count(s.Log.Records), bytesText(s.Log.Bytes))},
		{"disk", fmt.Sprintf("%s written (%.2f for each byte that came in), %s syncs", bytesText(s.Disk.Written), s.Disk.PerByte, count(s.Disk.Syncs))},
		{"delivered", fmt.Sprintf("%s records in %s files beneath %s", count(delivered), count(objects), d.delivered())},
	})
}
