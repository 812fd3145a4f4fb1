// Package storm is many devices that connect, all at once or at a rate, hold
// their connections idle, lose them and come back: it measures how long each
// waits for its CONNACK. It sends nothing but CONNECT and PINGREQ.
package storm

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"headgate/firmware-sim/packet"
)

// Config says what storm to make. The zero value of each field but Address has
// a meaning.
type Config struct {
	Address string                          // host:port of the broker
	Devices int                             // default 1
	Rate    float64                         // first connects a second of all; zero: all at once
	Connect func(device int) packet.Connect // who each is; default clean sessions of storm-00000, storm-00001, …
	TLS     func(device int) *tls.Config    // nil: plain TCP. It is called once for each device

	Patience time.Duration // how long a device tries to get in, in one round; default 60 s
	Tries    int           // most connects of a device in one round; zero: as many as Patience lets it
	Hold     time.Duration // how long connections are held idle after each round
	Rounds   int           // after the first, each later one drops all links and comes back; default 1
	Seed     uint64        // of the back-off
}

// ErrConfig says that a Config asks for what cannot be.
var ErrConfig = errors.New("configuration")

// mostDevices is what one process and one source address can hold.
const mostDevices = 50_000

func (c Config) normal() (Config, error) {
	if c.Devices == 0 {
		c.Devices = 1
	}
	if c.Rounds == 0 {
		c.Rounds = 1
	}
	if c.Patience == 0 {
		c.Patience = time.Minute
	}
	if c.Connect == nil {
		c.Connect = func(i int) packet.Connect {
			return packet.Connect{ClientID: fmt.Sprintf("storm-%05d", i), KeepAlive: 60, Clean: true}
		}
	}
	_, _, err := net.SplitHostPort(c.Address)
	switch {
	case err != nil:
	case c.Devices < 0 || c.Devices > mostDevices:
		err = fmt.Errorf("devices: 1 to %d", mostDevices)
	case c.Rate < 0 || c.Tries < 0 || c.Rounds < 0 || c.Hold < 0 || c.Patience < 0:
		err = errors.New("rates, counts and durations are not negative")
	}
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}
