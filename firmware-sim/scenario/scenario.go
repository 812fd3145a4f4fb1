// Package scenario is stories of devices in YAML files: what fleet, on what
// link, with which faults, and what happens when. It has examples within, and
// two kinds of devices that a fleet has not: Sparkplug nodes and LoRaWAN sensors
// behind a ChirpStack.
package scenario

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fault"
)

// Scenario is one story. One of Fleet, Sparkplug and LoRaWAN is needed.
type Scenario struct {
	Name      string     `yaml:"name"`
	About     string     `yaml:"about"`
	Fleet     *Fleet     `yaml:"fleet"`
	Sparkplug *Sparkplug `yaml:"sparkplug"`
	LoRaWAN   *LoRaWAN   `yaml:"lorawan"`
	Link      *Link      `yaml:"link"`
	Faults    fault.Plan `yaml:"faults"`
	Steps     []Step     `yaml:"steps"`
}

// Fleet is devices of package fleet; see its Config for each field.
type Fleet struct {
	Devices  int           `yaml:"devices"`
	Kinds    []device.Kind `yaml:"kinds"`
	QoS      []byte        `yaml:"qos"`
	Versions []int         `yaml:"versions"`
	Rate     float64       `yaml:"rate"`
	Messages uint64        `yaml:"messages"`
	Window   int           `yaml:"window"`
	Topic    string        `yaml:"topic"`
	Ring     int64         `yaml:"ring"` // bytes; zero: devices have memory only, unless there is a state folder

	KeepAlive time.Duration `yaml:"keep_alive"`
	Backoff   time.Duration `yaml:"backoff"`
}

// Link is the network between the devices and the broker.
type Link struct {
	Latency time.Duration `yaml:"latency"`
	Loss    float64       `yaml:"loss"`
}

// Step happens so long after the start: the link is cut, or whole again.
type Step struct {
	At        time.Duration `yaml:"at"`
	Partition bool          `yaml:"partition"`
}

// ErrScenario says that a file is no scenario.
var ErrScenario = errors.New("no scenario")

//go:embed examples/*.yaml
var examples embed.FS

// Examples are the scenarios that come with the program.
func Examples() ([]Scenario, error) {
	files, err := fs.Glob(examples, "examples/*.yaml")
	if err != nil {
		return nil, err
	}
	var all []Scenario
	for _, name := range files {
		text, err := examples.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s, err := Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Base(name), err)
		}
		all = append(all, s)
	}
	return all, nil
}

// Open reads the scenario in a file, or the example of that name.
func Open(name string) (Scenario, error) {
	if !strings.ContainsAny(name, "./\\") {
		text, err := examples.ReadFile("examples/" + name + ".yaml")
		if err != nil {
			return Scenario{}, fmt.Errorf("%w: there is no example %q (firmware-sim scenarios lists them)", ErrScenario, name)
		}
		return Parse(text)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	s, err := Parse(text)
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario %s: %w", name, err)
	}
	return s, nil
}

// Parse reads a scenario. What is not known is an error: ErrScenario.
func Parse(text []byte) (Scenario, error) {
	var s Scenario
	if err := yaml.UnmarshalWithOptions(text, &s, yaml.Strict()); err != nil {
		return Scenario{}, fmt.Errorf("%w: %w", ErrScenario, err)
	}
	if err := s.check(); err != nil {
		return Scenario{}, fmt.Errorf("%w: %w", ErrScenario, err)
	}
	return s, nil
}

func (s *Scenario) check() error {
	kinds := 0
	for _, there := range []bool{s.Fleet != nil, s.Sparkplug != nil, s.LoRaWAN != nil} {
		if there {
			kinds++
		}
	}
	switch {
	case s.Name == "":
		return errors.New("it has no name")
	case kinds != 1:
		return errors.New("one of fleet, sparkplug and lorawan is needed")
	case len(s.Steps) > 0 && s.Link == nil:
		return errors.New("steps need a link")
	case s.Fleet == nil && len(s.Faults) > 0:
		return errors.New("faults need a fleet")
	case s.Link != nil && (s.Link.Latency < 0 || !(s.Link.Loss >= 0 && s.Link.Loss <= 1)):
		return errors.New("link: a latency, and a loss of 0 to 1")
	}
	if p := s.Sparkplug; p != nil && (p.Nodes < 1 || p.Nodes > mostNodes || p.Messages < 1 || p.Rate < 0) {
		return fmt.Errorf("sparkplug: 1 to %d nodes, messages, a rate", mostNodes)
	}
	if l := s.LoRaWAN; l != nil && (l.Devices < 1 || l.Devices > mostNodes || l.Messages < 1 || l.Rate < 0) {
		return fmt.Errorf("lorawan: 1 to %d devices, messages, a rate", mostNodes)
	}
	return s.Faults.Check()
}
