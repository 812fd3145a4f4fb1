package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"headgate/firmware-sim/device"
)

// few is how many examples of each fault a report names.
const few = 10

// Checker compares records that were read with what devices sent and what was
// acknowledged to them. Add the records of each partition key in the order in
// which they are read; keys may mix. It is not safe for concurrent use.
type Checker struct {
	acked   *Acked
	seen    map[device.ID]*seen
	latency histogram
	report  Report
	scratch []byte
}

// seen is what was read of one device.
type seen struct {
	dev     *device.Device
	numbers Runs
	highest uint64
}

// Report is what a Checker found. Examples are ids as "temp-00017 42".
type Report struct {
	Records        uint64 `json:"records"`
	Devices        int    `json:"devices"`
	Acked          uint64 `json:"acked"`          // acknowledged, by the oracle
	Missing        uint64 `json:"missing"`        // acknowledged and not read
	Extra          uint64 `json:"extra"`          // read and not acknowledged: no fault
	Duplicates     uint64 `json:"duplicates"`     // read again
	DuplicatesQoS2 uint64 `json:"duplicatesQoS2"` // of these, from devices that publish with QoS 2: a fault
	Altered        uint64 `json:"altered"`        // not what the device sent
	Disorder       uint64 `json:"disorder"`       // first read after a later message of its device
	Foreign        uint64 `json:"foreign"`        // not from this fleet
	OtherKey       uint64 `json:"otherKey"`       // under a partition key that is not the device id

	Examples []string `json:"examples,omitempty"`

	// From the first send to the arrival, where both are known.
	LatencyMedian time.Duration `json:"latencyMedian"`
	Latency99     time.Duration `json:"latency99"`
	LatencyOf     int64         `json:"latencyOf"` // records measured
}

// NewChecker makes a Checker for what an oracle says. To check payloads and
// order without an oracle, give one with no Devices.
func NewChecker(acked *Acked) *Checker {
	return &Checker{acked: acked, seen: make(map[device.ID]*seen)}
}

// Add takes one record. The arrival may be zero. The bytes are only looked at.
func (c *Checker) Add(key string, data []byte, arrived time.Time) {
	r := &c.report
	r.Records++
	id, n, err := device.Identify(data)
	if err != nil {
		r.Foreign++
		c.example("foreign", key, 0)
		return
	}
	s := c.seen[id]
	if s == nil {
		dev, err := c.acked.World.Device(id)
		if err != nil {
			r.Foreign++
			return
		}
		s = &seen{dev: dev}
		c.seen[id] = s
	}
	same := false
	if same, c.scratch = s.dev.Check(data, n, c.scratch); !same {
		r.Altered++ // and so it does not count as read
		c.example("altered", id.String(), n)
		return
	}
	if key != "" && key != id.String() {
		r.OtherKey++
	}
	if !s.numbers.Add(n) {
		r.Duplicates++
		if a := c.acked.Devices[id]; a != nil && a.QoS == 2 {
			r.DuplicatesQoS2++
			c.example("duplicate", id.String(), n)
		}
		return
	}
	if n < s.highest {
		r.Disorder++
		c.example("disorder", id.String(), n)
	}
	s.highest = max(s.highest, n)
	c.measure(id, n, arrived)
}

func (c *Checker) measure(id device.ID, n uint64, arrived time.Time) {
	a := c.acked.Devices[id]
	if a == nil || arrived.IsZero() {
		return
	}
	if sent, known := a.sent[n]; known {
		c.latency.add(time.Duration(arrived.UnixMilli()-sent) * time.Millisecond)
	}
}

func (c *Checker) example(fault, id string, n uint64) {
	if len(c.report.Examples) < few {
		c.report.Examples = append(c.report.Examples, fmt.Sprintf("%s: %.40q %d", fault, id, n))
	}
}

// Report says what was found so far. Everything acknowledged and not added yet is missing.
func (c *Checker) Report() Report {
	r := c.report
	r.Examples = slices.Clone(r.Examples)
	r.Devices = len(c.seen)
	var none Runs
	for _, id := range slices.SortedFunc(maps.Keys(c.acked.Devices), byName) {
		numbers := &none
		if s := c.seen[id]; s != nil {
			numbers = &s.numbers
		}
		want := &c.acked.Devices[id].Numbers
		r.Acked += want.Len()
		missing, some := want.Without(numbers, few)
		r.Missing += missing
		for _, n := range some {
			if len(r.Examples) < 2*few {
				r.Examples = append(r.Examples, fmt.Sprintf("missing: %q %d", id, n))
			}
		}
	}
	for _, s := range c.seen {
		r.Extra += s.numbers.Len()
	}
	r.Extra -= r.Acked - r.Missing
	r.LatencyMedian, r.Latency99 = c.latency.quantile(0.5), c.latency.quantile(0.99)
	r.LatencyOf = c.latency.count.Load()
	return r
}

func byName(x, y device.ID) int { return strings.Compare(x.String(), y.String()) }

// OK reports whether nothing acknowledged is missing, altered or out of order,
// and nothing is there twice that was published with QoS 2. A duplicate of
// QoS 1 is no fault of a fleet that repeats what was not acknowledged.
func (r Report) OK() bool {
	return r.Missing == 0 && r.Altered == 0 && r.Disorder == 0 && r.DuplicatesQoS2 == 0
}
