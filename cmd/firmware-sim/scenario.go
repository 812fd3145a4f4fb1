package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"headgate/firmware-sim/fleet"
	"headgate/firmware-sim/scenario"
)

func scenariosCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "scenarios",
		Short: "List the scenarios that come with the program",
		Example: `  firmware-sim scenarios
  firmware-sim run --scenario burst-after-outage --oracle acked.txt
  firmware-sim run --scenario ./mine.yaml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := scenario.Examples()
			if err != nil {
				return err
			}
			for _, s := range all {
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%-20s %s\n", s.Name, s.About); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// stage makes the scenario that was named part of what is played. It answers
// the scenario when it is none of a fleet, which is played apart.
func (f *flags) stage(c *cobra.Command, p *play) (*scenario.Scenario, error) {
	s, err := scenario.Open(f.scenario)
	if err != nil {
		return nil, usageError{err}
	}
	fmt.Fprintf(c.ErrOrStderr(), "scenario %s: %s\n", s.Name, s.About)
	if s.Fleet == nil {
		return &s, nil
	}
	p.link, p.steps = s.Link, s.Steps
	for name, chance := range s.Faults {
		if _, typed := p.plan[name]; !typed {
			p.plan[name] = chance
		}
	}
	typed := p.conf
	fleetOf(&p.conf, *s.Fleet)
	for flag, restore := range map[string]func(){
		"devices":  func() { p.conf.Devices = typed.Devices },
		"messages": func() { p.conf.Messages = typed.Messages },
		"rate":     func() { p.conf.Rate = typed.Rate },
		"qos":      func() { p.conf.QoS = typed.QoS },
		"kinds":    func() { p.conf.Kinds = typed.Kinds },
		"versions": func() { p.conf.Versions = typed.Versions },
	} {
		if c.Flags().Changed(flag) {
			restore()
		}
	}
	if s.Fleet.Ring > 0 && p.conf.State == "" {
		if p.folder, err = os.MkdirTemp("", "firmware-sim-"); err != nil {
			return nil, err
		}
		p.conf.State = filepath.Join(p.folder, "state")
	}
	return nil, nil
}

// fleetOf fills in what a scenario says of its fleet.
func fleetOf(conf *fleet.Config, s scenario.Fleet) {
	conf.Devices, conf.Kinds, conf.QoS, conf.Versions = s.Devices, s.Kinds, s.QoS, s.Versions
	conf.Rate, conf.Messages, conf.Window, conf.Topic = s.Rate, s.Messages, s.Window, s.Topic
	conf.Ring, conf.KeepAlive, conf.BackoffMax = s.Ring, s.KeepAlive, s.Backoff
}

// alone plays a scenario without a fleet, and prints what came of it.
func (p *play) alone(c *cobra.Command, s *scenario.Scenario) error {
	if p.anySeed {
		seed, err := seedFor(fleet.Config{})
		if err != nil {
			return err
		}
		p.conf.World.Seed = seed
	}
	broker, _, _ := strings.Cut(p.conf.Broker, ",")
	fmt.Fprintf(c.ErrOrStderr(), "seed %d, broker %s\n", p.conf.World.Seed, broker)
	r, err := scenario.Play(c.Context(), *s, scenario.Setting{Broker: broker, Dial: p.conf.Dial, World: p.conf.World,
		Username: p.conf.Username, Password: p.conf.Password})
	if p.output == "json" {
		if err := json.NewEncoder(c.OutOrStdout()).Encode(struct {
			Seed uint64 `json:"seed"`
			scenario.Result
		}{p.conf.World.Seed, r}); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintf(c.OutOrStdout(), "seed          %d\ndevices       %d, %d connections made\nacknowledged  %d\n",
		p.conf.World.Seed, r.Devices, r.Connects, r.Acknowledged); err != nil {
		return err
	}
	return err
}
