package fleet

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"headgate/firmware-sim/device"
)

// Config says what fleet to run. The zero value of each field but Broker has a meaning.
type Config struct {
	Broker   string // host:port of the MQTT door, or several with commas: a device goes on to the next when one fails it
	Username string
	Password string
	Dial     Dial // how each device connects; default Plain

	Devices  int           // default 1
	Kinds    []device.Kind // device i is of kind i modulo their number; default temperature and GPS
	QoS      []byte        // device i publishes with QoS i modulo their number; default 1
	Versions []int         // of MQTT, 3 (3.1.1) and 5: by turns for the devices of each QoS; default 3
	Topic    string        // {id} and {kind} stand for the device's; default d/{id}/{kind}
	World    device.World  // a fleet that continues takes seed and clock from its files
	Messages uint64        // each device sends 1 … Messages; zero: until the fleet is stopped
	Rate     float64       // messages a second of each device; zero: as fast as the window lets it
	Window   int           // messages in flight of each device, 1 to 32768; default 64
	Ramp     float64       // connects a second of the whole fleet; default 1000

	Oracle string // file of acknowledged payload ids; empty: none is written
	State  string // folder of the devices' ring files; empty: devices have memory only
	Ring   int64  // bytes of each ring file; default 64 MiB

	Duration   time.Duration // stop after this long; zero: when all is sent, or on cancel
	Grace      time.Duration // how long messages in flight may take after the stop; default 5 s
	KeepAlive  time.Duration // default 60 s
	BackoffMax time.Duration // longest pause between two connects of a device; default 30 s
}

// ErrConfig says that a Config asks for what cannot be.
var ErrConfig = errors.New("configuration")

const maxWindow = 32768 // half of the packet ids

// normal fills in what is not said and checks the rest; an error is ErrConfig.
func (c Config) normal() (Config, error) {
	c.Devices = orElse(c.Devices, 1)
	c.Window = orElse(c.Window, 64)
	c.Ramp = orElse(c.Ramp, 1000)
	c.Ring = orElse(c.Ring, 64<<20)
	c.Grace = orElse(c.Grace, 5*time.Second)
	c.KeepAlive = orElse(c.KeepAlive, time.Minute)
	c.BackoffMax = orElse(c.BackoffMax, 30*time.Second)
	if c.Dial == nil {
		c.Dial = Plain
	}
	if len(c.Kinds) == 0 {
		c.Kinds = []device.Kind{device.Temperature, device.GPS}
	}
	if len(c.QoS) == 0 {
		c.QoS = []byte{1}
	}
	if len(c.Versions) == 0 {
		c.Versions = []int{3}
	}
	c.Topic = orElse(c.Topic, "d/{id}/{kind}")
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if c.World.Period == 0 && c.Rate > 0 {
		c.World.Period = time.Duration(float64(time.Second) / c.Rate)
	}
	c.World = c.World.Normal()
	return c, nil
}

func (c Config) check() error {
	for _, broker := range c.brokers() {
		if _, _, err := net.SplitHostPort(broker); err != nil {
			return fmt.Errorf("broker: %w", err)
		}
	}
	for _, v := range c.Versions {
		if v != 3 && v != 5 {
			return fmt.Errorf("there is no version %d: 3 (for 3.1.1) or 5", v)
		}
	}
	for _, q := range c.QoS {
		if q > 2 {
			return fmt.Errorf("there is no QoS %d", q)
		}
	}
	switch {
	case c.Devices < 0 || c.Devices > 1_000_000:
		return errors.New("devices: 1 to 1000000")
	case c.Window < 0 || c.Window > maxWindow:
		return fmt.Errorf("window: 1 to %d", maxWindow)
	case c.Rate < 0 || c.Ramp < 0 || c.Duration < 0 || c.Grace < 0:
		return errors.New("rates and durations are not negative")
	case c.KeepAlive < time.Second || c.KeepAlive > 18*time.Hour:
		return errors.New("keep-alive: 1 second to 18 hours")
	case c.BackoffMax < 0 || c.Ring < 0:
		return errors.New("back-off and ring size are not negative")
	}
	return nil
}

// brokers are the addresses, in the order of the list.
func (c Config) brokers() []string { return strings.Split(c.Broker, ",") }

// version is the MQTT version of device i. Every QoS has devices of every version.
func (c Config) version(i int) int { return c.Versions[i/len(c.QoS)%len(c.Versions)] }

func orElse[T comparable](v, instead T) T {
	var zero T
	if v == zero {
		return instead
	}
	return v
}
