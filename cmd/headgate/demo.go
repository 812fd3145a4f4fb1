package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"headgate/firmware-sim/fleet"
	"headgate/gateway"
)

// demonstration is what `headgate demo` may be told.
type demonstration struct {
	data     string
	devices  int
	rate     float64
	duration time.Duration
}

func (a *app) demo() *cobra.Command {
	var d demonstration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a gateway with simulated devices and a delivery, to look around",
		Long: `Run a gateway in this process, a fleet of simulated devices that publish MQTT
into it, and a delivery into a folder. It listens on loopback and asks nobody
for credentials. Ctrl-C ends it; the data folder stays.`,
		Example: `  headgate demo
  headgate demo --devices 200 --rate 5 --duration 30s`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demonstrate(cmd.Context(), d) },
	}
	cmd.Flags().StringVar(&d.data, "data", "./headgate-demo", "data folder")
	cmd.Flags().IntVar(&d.devices, "devices", 25, "simulated devices")
	cmd.Flags().Float64Var(&d.rate, "rate", 2, "messages a second of each device")
	cmd.Flags().DurationVar(&d.duration, "duration", 0, "stop after this long (default: until Ctrl-C)")
	return cmd
}

func (a *app) demonstrate(ctx context.Context, d demonstration) error {
	if d.devices < 1 || d.rate <= 0 || d.duration < 0 {
		return usageError{errors.New("--devices and --rate must be more than zero, --duration not less")}
	}
	if d.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.duration)
		defer cancel()
	}
	c := gateway.Defaults()
	c.Data, c.Open, c.Log.Level = d.data, true, "warn"
	c.API, c.MQTT, c.Console = free(c.API), free(c.MQTT), free(c.Console)
	c.Deliveries = []gateway.DeliveryConfig{{
		Name: "files", Stream: "telemetry", Interval: gateway.Duration(10 * time.Second),
		Local: &gateway.LocalConfig{Folder: filepath.Join(d.data, "delivered")},
	}}
	g, err := gateway.New(c)
	if err != nil {
		return err
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return g.Run(running) })
	group.Go(func() error { return a.showFleet(running, g, d) })
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// free is the address itself, or one that is free when somebody has it.
func free(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close()
	return address
}

// showFleet runs the devices and one line about them.
func (a *app) showFleet(ctx context.Context, g *gateway.Gateway, d demonstration) error {
	select {
	case <-g.Ready():
	case <-ctx.Done():
		return nil
	}
	f, err := fleet.New(fleet.Config{Broker: g.Addresses().MQTT, Devices: d.devices, Rate: d.rate, State: filepath.Join(d.data, "devices"), Ring: 1 << 20})
	if err != nil {
		return err
	}
	a.invite(g, d)
	p := a.progress()
	group, running := errgroup.WithContext(ctx)
	out := uint64(0) // delivered so far
	group.Go(func() error { return f.Run(running) })
	group.Go(func() error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-running.Done():
				return nil
			case <-tick.C:
				s, t := g.Status(), f.Totals()
				out = delivered(s)
				p.show("%d devices, %s sent, %s acknowledged after they were on the disk | %s stored, %.2f bytes written for each | %s delivered",
					t.Connected, count(uint64(t.Sent)), count(uint64(t.Acknowledged)), bytesText(s.Disk.Stored), s.Disk.PerByte, count(out))
			}
		}
	})
	err = group.Wait()
	p.clear()
	s, t := g.Status(), f.Totals()
	fmt.Fprintf(a.term.out, "\n%s messages sent, %s acknowledged; %s records in the log, %s delivered to %s\nThe log stays in %s: look at it with `headgate verify --data %s`.\n",
		count(uint64(t.Sent)), count(uint64(t.Acknowledged)), count(s.Log.Records), count(out), filepath.Join(d.data, "delivered"), d.data, d.data)
	return err
}

func delivered(s gateway.Status) (n uint64) {
	for _, d := range s.Deliveries {
		n += d.Records
	}
	return n
}

// invite says what to try.
func (a *app) invite(g *gateway.Gateway, d demonstration) {
	at := g.Addresses()
	host, port, err := net.SplitHostPort(at.MQTT)
	if err != nil {
		host, port = at.MQTT, "1883"
	}
	self := "headgate"
	if exe, err := os.Executable(); err == nil && filepath.Dir(filepath.Dir(exe)) != "/usr" {
		self = "go run ./cmd/headgate"
	}
	fmt.Fprintf(a.term.out, `A gateway runs, with %d devices that publish into it. Try, in another terminal:

  %s status --data %s
  %s tail telemetry -f --data %s
  mosquitto_pub -h %s -p %s -q 1 -i me -t hello -m '{"n":1}'
  AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any aws --region eu-central-1 \
    --endpoint-url http://%s kinesis describe-stream-summary --stream-name telemetry
  curl http://%s/metrics
  ls -R %s

Ctrl-C ends it.

`, d.devices, self, d.data, self, d.data, host, port, at.API, at.Console, filepath.Join(d.data, "delivered"))
}
