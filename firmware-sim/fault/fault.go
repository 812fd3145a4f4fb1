// Package fault breaks the connections of devices on purpose, packet by packet,
// and the link between them and a broker. It counts what it did, and draws
// everything from one seed. It never hides a loss from a device: what it
// swallows, the device hears no acknowledgement of.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Name is a kind of fault.
type Name string

// The faults. Those of a connection happen with a probability for each PUBLISH
// of QoS 1 or 2.
const (
	Cut       Name = "cut"              // the connection breaks in the middle of a PUBLISH
	HalfOpen  Name = "half-open"        // nothing passes any more, either way, and nobody is told
	Slow      Name = "slow-reader"      // the device reads 64 bytes every 20 ms for two seconds
	Twin      Name = "duplicate-id"     // another client connects with the same client id
	Dup       Name = "dup"              // the PUBLISH goes out twice, the second time with DUP
	Reuse     Name = "id-reuse"         // it has the packet id of another that is not acknowledged yet
	Corrupt   Name = "corrupt"          // a bit of its payload is turned
	Oversize  Name = "oversize"         // a PUBLISH of 4 MiB goes out before it
	Silence   Name = "missed-keepalive" // the device sends nothing any more, not even PINGREQ
	Clock1970 Name = "clock-1970"       // the devices' clocks begin in 1970; no probability
	ClockJump Name = "clock-jump"       // and are set to the present at some sample; no probability
	PowerCut  Name = "power-cut"        // all devices lose their power and what they had not synced, a probability each second; QoS 2 is not exactly once then, for they forget what they sent
)

// Names are all faults.
func Names() []Name {
	return []Name{Cut, HalfOpen, Slow, Twin, Dup, Reuse, Corrupt, Oversize, Silence, Clock1970, ClockJump, PowerCut}
}

// ErrFault says that a text names no fault.
var ErrFault = errors.New("no fault")

// Plan says with which probability each fault happens.
type Plan map[Name]float64

// Parse reads entries name=probability; without a probability it is certain.
func Parse(entries []string) (Plan, error) {
	p := Plan{}
	for _, e := range entries {
		name, text, found := strings.Cut(e, "=")
		chance := 1.0
		if found {
			var err error
			if chance, err = strconv.ParseFloat(text, 64); err != nil {
				return nil, fmt.Errorf("%w: %q: a probability is a number of 0 to 1", ErrFault, e)
			}
		}
		p[Name(name)] = chance
	}
	return p, p.Check()
}

// Check answers ErrFault for a name that is none, or no probability.
func (p Plan) Check() error {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("%w: %q; there are %v", ErrFault, name, Names())
		}
		if c := p[name]; !(c >= 0 && c <= 1) {
			return fmt.Errorf("%w: %s=%v: a probability is a number of 0 to 1", ErrFault, name, c)
		}
	}
	return nil
}

// Injector breaks connections by a plan. It is safe for concurrent use.
type Injector struct {
	plan   Plan
	seed   uint64
	conns  atomic.Uint64
	counts map[Name]*atomic.Int64 // a counter for each name; the map does not change
}

// New makes an Injector. The plan was checked.
func New(plan Plan, seed uint64) *Injector {
	i := &Injector{plan: plan, seed: seed, counts: map[Name]*atomic.Int64{}}
	for _, n := range Names() {
		i.counts[n] = &atomic.Int64{}
	}
	return i
}

// Count counts a fault that somebody else has made.
func (i *Injector) Count(n Name) { i.counts[n].Add(1) }

// Counts says how often each fault of the plan happened so far.
func (i *Injector) Counts() map[Name]int64 {
	all := map[Name]int64{}
	for n := range i.plan {
		all[n] = i.counts[n].Load()
	}
	return all
}
