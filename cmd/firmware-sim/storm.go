package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/firmware-sim/enrol"
	"headgate/firmware-sim/packet"
	"headgate/firmware-sim/storm"
)

// storming is the storm command as typed.
type storming struct {
	conf                   storm.Config
	id, username, password string
	keepAlive              uint16
	persistent             bool
	resume                 bool
	security               security
	output                 string
	names                  []string // of the certificates, when there is a folder
}

func stormCommand() *cobra.Command {
	var f storming
	c := &cobra.Command{
		Use:   "storm",
		Short: "Connect many devices at once and measure how long each waits",
		Long: `Connect many devices, at a rate or all at once, measure the time from each one's
first dial to its CONNACK, hold the connections idle, and with --rounds drop all
links and let all come back. A device that is refused tries again with a
jittered back-off. Fails when a device did not get in, or lost its connection.`,
		Example: `  firmware-sim storm --devices 1000 --broker 127.0.0.1:1883
  firmware-sim storm --devices 5000 --broker 127.0.0.1:8883 --ca ca.pem --cert-dir ./devices --rounds 2 --hold 30s -o json
  firmware-sim storm --devices 500 --rate 100 --client-id 'meter-{n}' --username '{id}' --password secret`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	s := c.Flags()
	s.StringVar(&f.conf.Address, "broker", "127.0.0.1:1883", "address of the MQTT door, host:port")
	s.IntVar(&f.conf.Devices, "devices", 100, "number of devices (with --cert-dir: as many as have a certificate, if that is less)")
	s.Float64Var(&f.conf.Rate, "rate", 0, "connects a second of all (default: all at once)")
	s.DurationVar(&f.conf.Hold, "hold", 5*time.Second, "how long connections are held idle in each round")
	s.IntVar(&f.conf.Rounds, "rounds", 1, "each after the first drops all links and comes back")
	s.DurationVar(&f.conf.Patience, "patience", time.Minute, "how long a device tries to get in, in one round")
	s.IntVar(&f.conf.Tries, "tries", 0, "connects of a device in one round (default: as many as its patience lets it)")
	s.Uint64Var(&f.conf.Seed, "seed", 0, "seed of the back-off (default: a random one)")
	s.StringVar(&f.id, "client-id", "storm-{n}", "client id of each device; {n} is its number")
	s.StringVar(&f.username, "username", "", "user name of each device; {n} and {id} are its number and client id")
	s.StringVar(&f.password, "password", "", "password of each device; {n} and {id} as above")
	s.Uint16Var(&f.keepAlive, "keep-alive", 60, "MQTT keep-alive in seconds")
	s.BoolVar(&f.persistent, "persistent", false, "ask for sessions that outlive connections")
	s.BoolVar(&f.resume, "resume", false, "resume TLS sessions in later rounds")
	f.security.register(s)
	s.StringVarP(&f.output, "output", "o", "text", "how the report is printed: text or json")
	return c
}

func (f *storming) run(c *cobra.Command) error {
	if f.output != "text" && f.output != "json" {
		return usageError{fmt.Errorf("output %q is neither text nor json", f.output)}
	}
	if err := f.identities(); err != nil {
		return err
	}
	if f.conf.Seed == 0 {
		f.conf.Seed = 1 + rand.Uint64N(1<<32)
	}
	f.conf.Connect = f.connect
	s, err := storm.New(f.conf)
	if err != nil {
		return usageError{err}
	}
	fmt.Fprintf(c.ErrOrStderr(), "seed %d, %d devices, broker %s\n", f.conf.Seed, f.conf.Devices, f.conf.Address)
	r := s.Run(c.Context())
	if err := printStorm(c.OutOrStdout(), f.output, r); err != nil {
		return err
	}
	if !r.OK() {
		return errFailed
	}
	return nil
}

// identities finds out whether and by which certificates TLS is spoken.
func (f *storming) identities() error {
	on, err := f.security.read()
	if err != nil || !on {
		return err
	}
	if f.security.folder != "" {
		if f.names, err = enrol.Folder(f.security.folder).Names(); err != nil {
			return err
		}
		if len(f.names) == 0 {
			return fmt.Errorf("no certificates in %s", f.security.folder)
		}
		f.conf.Devices = min(f.conf.Devices, len(f.names))
	}
	configs := make([]*tls.Config, f.conf.Devices)
	for i := range configs {
		if configs[i], err = f.security.config(f.conf.Address, f.clientID(i)); err != nil {
			return err
		}
	}
	f.conf.TLS = storm.Each(func(i int) *tls.Config { return configs[i] }, f.resume)
	return nil
}

func (f *storming) clientID(i int) string {
	if f.names != nil {
		return f.names[i]
	}
	return strings.ReplaceAll(f.id, "{n}", fmt.Sprintf("%05d", i))
}

func (f *storming) connect(i int) packet.Connect {
	id := f.clientID(i)
	fill := strings.NewReplacer("{n}", fmt.Sprintf("%05d", i), "{id}", id)
	return packet.Connect{ClientID: id, Username: fill.Replace(f.username), Password: fill.Replace(f.password),
		KeepAlive: f.keepAlive, Clean: !f.persistent}
}

func printStorm(out io.Writer, output string, r storm.Report) error {
	if output == "json" {
		return json.NewEncoder(out).Encode(struct {
			OK bool `json:"ok"`
			storm.Report
		}{r.OK(), r})
	}
	_, err := fmt.Fprintf(out, "seed       %d\n", r.Seed)
	for i, o := range r.Rounds {
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "round %-4d %d of %d connected in %s; CONNACK median %s, 99 %% within %s, longest %s; %d failures, %d lost\n",
			i+1, o.Connected, r.Devices, round(o.Elapsed), round(o.Median), round(o.P99), round(o.Max), o.Failures, o.Lost)
		for _, cause := range slices.Sorted(maps.Keys(o.Causes)) {
			if err == nil {
				_, err = fmt.Fprintf(out, "           %d %s\n", o.Causes[cause], cause)
			}
		}
	}
	return err
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
