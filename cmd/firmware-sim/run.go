package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fault"
	"headgate/firmware-sim/fleet"
)

// flags are the flags that run and bench share, as typed.
type flags struct {
	conf         fleet.Config
	kinds, qos   string
	versions     string
	passwordFile string
	output       string
	security     security
	faults       []string // name=probability
	scenario     string
}

func (f *flags) register(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.conf.Broker, "broker", "127.0.0.1:1883", "address of the MQTT door, host:port; several with commas: a device goes on to the next when one fails it")
	s.StringVar(&f.versions, "versions", "3", "MQTT versions of the devices of each QoS, by turns: 3 (3.1.1), 5, or a list")
	s.StringVar(&f.conf.Topic, "topic", "d/{id}/{kind}", "topic of each device, with its {id} and {kind}")
	s.StringVar(&f.qos, "qos", "1", "QoS of the devices: 0, 1, 2, a list, or mix (the same as 0,1,2)")
	s.StringVar(&f.kinds, "kinds", "temp,gps", "kinds of devices, a list of temp, gps, vib, energy, door, motion, or all")
	s.Uint64Var(&f.conf.World.Seed, "seed", 0, "seed of the signals (default: a random one, or that of the oracle)")
	s.Float64Var(&f.conf.Ramp, "ramp", 1000, "connects a second of the whole fleet")
	s.StringVar(&f.conf.Username, "username", "", "user name of all devices")
	s.StringVar(&f.passwordFile, "password-file", "", "file that holds the password of all devices")
	f.security.register(s)
	s.StringVarP(&f.output, "output", "o", "text", "how totals are printed: text or json")
}

// config turns what was typed into a configuration.
func (f *flags) config() (fleet.Config, error) {
	conf := f.conf
	if f.output != "text" && f.output != "json" {
		return conf, usageError{fmt.Errorf("output %q is neither text nor json", f.output)}
	}
	if f.qos == "mix" {
		f.qos = "0,1,2"
	}
	for _, q := range strings.Split(f.qos, ",") {
		if q != "0" && q != "1" && q != "2" {
			return conf, usageError{fmt.Errorf("there is no QoS %q", q)}
		}
		conf.QoS = append(conf.QoS, q[0]-'0')
	}
	for _, v := range strings.Split(f.versions, ",") {
		if v != "3" && v != "5" {
			return conf, usageError{fmt.Errorf("there is no MQTT version %q: 3 (for 3.1.1) or 5", v)}
		}
		conf.Versions = append(conf.Versions, int(v[0]-'0'))
	}
	var err error
	if conf.Kinds, err = parseKinds(f.kinds); err != nil {
		return conf, err
	}
	if conf.Dial, err = f.security.dial(); err != nil {
		return conf, err
	}
	if f.passwordFile != "" {
		password, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return conf, fmt.Errorf("read password: %w", err)
		}
		conf.Password = string(bytes.TrimRight(password, "\r\n"))
	}
	conf.World.Epoch = time.Now().Truncate(time.Second)
	return conf, nil
}

// run runs what was typed.
func (f *flags) run(c *cobra.Command) error {
	conf, err := f.config()
	if err != nil {
		return err
	}
	p := &play{conf: conf, output: f.output, anySeed: !c.Flags().Changed("seed")}
	if p.plan, err = fault.Parse(f.faults); err != nil {
		return usageError{err}
	}
	defer p.clear()
	if f.scenario == "" {
		return p.run(c)
	}
	alone, err := f.stage(c, p)
	switch {
	case err != nil:
		return err
	case alone != nil && len(p.plan) > 0:
		return usageError{fmt.Errorf("scenario %s has no fleet that faults could befall", alone.Name)}
	case alone != nil:
		return p.alone(c, alone)
	}
	return p.run(c)
}

// parseKinds reads a list of kinds of devices.
func parseKinds(list string) ([]device.Kind, error) {
	if list == "all" {
		return device.Kinds(), nil
	}
	var kinds []device.Kind
	for _, name := range strings.Split(list, ",") {
		kind, err := device.ParseKind(name)
		if err != nil {
			return nil, usageError{err}
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

func runCommand() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "run",
		Short: "Run a fleet of devices",
		Long: `Run a fleet of devices until all messages are acknowledged, the duration is
over, or Ctrl-C. A run whose --oracle or --state exists goes on where it ended.`,
		Example: `  firmware-sim run --devices 50 --rate 2 --kinds all
  firmware-sim run --devices 10000 --messages 10 --oracle acked.txt
  firmware-sim run --broker 10.0.0.11:1883,10.0.0.12:1883 --qos 1,2 --versions 3,5 --oracle acked.txt
  firmware-sim run --devices 20 --rate 10 --qos mix --state ./devices --duration 1h
  firmware-sim run --devices 5 --messages 500 --fault cut=0.01 --fault dup=0.05 --oracle acked.txt
  firmware-sim run --scenario burst-after-outage --oracle acked.txt`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.run(c)
		},
	}
	f.register(c)
	s := c.Flags()
	s.StringArrayVar(&f.faults, "fault", nil, fmt.Sprintf("a fault, name=probability; may be repeated; names: %v", fault.Names()))
	s.StringVar(&f.scenario, "scenario", "", "file of a scenario, or the name of one that \"firmware-sim scenarios\" lists; flags for devices, kinds, qos, versions, rate and messages win over it")
	s.IntVar(&f.conf.Devices, "devices", 10, "number of devices")
	s.Uint64Var(&f.conf.Messages, "messages", 0, "messages of each device (default: until stopped)")
	s.Float64Var(&f.conf.Rate, "rate", 0, "messages a second of each device (default: as fast as the window lets it)")
	s.IntVar(&f.conf.Window, "window", 64, "messages in flight of each device")
	s.StringVar(&f.conf.Oracle, "oracle", "", "file of acknowledged payload ids, for verify")
	s.StringVar(&f.conf.State, "state", "", "folder of the devices' ring files (default: memory only)")
	s.Int64Var(&f.conf.Ring, "ring-bytes", 64<<20, "size of each ring file; larger fleets share eight")
	s.DurationVar(&f.conf.Duration, "duration", 0, "stop after this long")
	s.DurationVar(&f.conf.Grace, "grace", 5*time.Second, "how long messages in flight may take after the stop")
	s.DurationVar(&f.conf.KeepAlive, "keep-alive", time.Minute, "MQTT keep-alive")
	s.DurationVar(&f.conf.BackoffMax, "backoff", 30*time.Second, "longest pause between two connects of a device")
	return c
}

// seedFor is a random seed for a new fleet, zero for one that has files with theirs.
func seedFor(conf fleet.Config) (uint64, error) {
	for _, path := range []string{conf.Oracle, conf.State} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err == nil {
			return 0, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
	}
	return 1 + rand.Uint64N(1<<32), nil
}
