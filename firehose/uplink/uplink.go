// Package uplink is a site's way out: how fast, how much a day and when its
// deliveries may send, counted at the socket, and whether the link is there.
// It does not know what is sent, nor to whom.
//
// A lane is one delivery's part of it. Lanes of alarms go before all others;
// the rest share what there is evenly; bulk goes in its windows only. Bytes in
// both directions count for the budget, for both are paid; only what is sent
// is paced.
package uplink

import (
	"context"
	"net"
	"sync"
	"time"

	"headgate/shardlog"
)

// Config is what the link may carry. Its zero value is a link without limits.
type Config struct {
	Rate    int64    // bytes a second sent; zero: any
	Day     int64    // bytes of a day, both ways; zero: any
	Month   int64    // bytes of a month, both ways; zero: any
	Windows []Window // when lanes of bulk may send; none: always
	Zone    *time.Location

	States shardlog.States // keeps what was used; needed with Day or Month
	Dial   Dial            // nil: the system's
}

// Dial opens a connection.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Validate answers Invalid with what is wrong, nil when nothing is.
func (c Config) Validate() error {
	switch {
	case c.Rate < 0 || c.Day < 0 || c.Month < 0:
		return invalid("a limit is negative")
	case c.Rate > 0 && c.Rate < leastRate:
		return invalid("%d bytes a second are too few: at least %d", c.Rate, leastRate)
	case c.Day > 0 && c.Day < leastBudget, c.Month > 0 && c.Month < leastBudget:
		return invalid("a budget of less than %d bytes", leastBudget)
	}
	for _, w := range c.Windows {
		if err := w.check(); err != nil {
			return err
		}
	}
	return nil
}

const (
	leastRate   = 128
	leastBudget = 1 << 20
)

func invalid(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "limit the uplink", format, args...)
}

// Uplink is the link. Make it with New.
type Uplink struct {
	c      Config
	began  time.Time
	dial   Dial
	link   link
	budget *budget // nil: none

	mu    sync.Mutex
	pacer pacer            // guarded by mu
	lanes map[string]*Lane // guarded by mu
}

// New makes an uplink. Kind Invalid.
func New(c Config) (*Uplink, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Zone == nil {
		c.Zone = time.Local
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: dialTime, KeepAlive: idleTime}).DialContext
	}
	u := &Uplink{c: c, began: time.Now(), dial: c.Dial, pacer: pacer{rate: float64(c.Rate)}, lanes: map[string]*Lane{}}
	if c.Day > 0 || c.Month > 0 {
		if c.States == nil {
			return nil, invalid("what is used of a budget must be kept somewhere")
		}
		u.budget = newBudget(c)
	}
	return u, nil
}

// Priority says who goes first.
type Priority string

// The priorities.
const (
	Alarm  Priority = "alarm"  // before all others, and into the last twentieth of a budget, which is kept for it
	Normal Priority = "normal" // the default
	Bulk   Priority = "bulk"   // in its windows
	Free   Priority = "free"   // not over this link: counted, but neither paced nor budgeted
)

// Check answers Invalid for what is no priority. Empty is Normal.
func (p Priority) Check() error {
	switch p {
	case "", Alarm, Normal, Bulk, Free:
		return nil
	}
	return invalid("priority %q is unknown; %s, %s, %s and %s are known", p, Alarm, Normal, Bulk, Free)
}

// Lane is one delivery's part of the link.
type Lane struct {
	u        *Uplink
	name     string
	priority Priority

	sent, received int64   // guarded by u.mu
	served         float64 // guarded by u.mu: bytes sent in turn with others; the least goes first
	held           string  // guarded by u.mu: why Admit waits
}

// Lane is the lane of a delivery, made when it is new or its priority another.
func (u *Uplink) Lane(name string, p Priority) *Lane {
	if p == "" {
		p = Normal
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	before := u.lanes[name]
	if before != nil && before.priority == p {
		return before
	}
	l := &Lane{u: u, name: name, priority: p}
	for _, other := range u.lanes { // a new lane has no claim on what was before it
		l.served = max(l.served, other.served)
	}
	if before != nil {
		l.sent, l.received = before.sent, before.received
	}
	u.lanes[name] = l
	return l
}

// Drop takes the lane of a delivery that is no more out of Status.
func (u *Uplink) Drop(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.lanes, name)
}

// Status is the link as people see it.
type Status struct {
	Down      bool         `json:"down"`
	Since     time.Time    `json:"since,omitzero"`  // when the link last came or went
	DayUsed   int64        `json:"day_used"`        // bytes, up to some that were set aside
	Day       int64        `json:"day,omitempty"`   // of the budget
	MonthUsed int64        `json:"month_used"`      // bytes, up to some that were set aside
	Month     int64        `json:"month,omitempty"` // of the budget
	Lanes     []LaneStatus `json:"lanes,omitempty"` // by name
}

// LaneStatus is one lane.
type LaneStatus struct {
	Name     string   `json:"name"`
	Priority Priority `json:"priority"`
	Sent     int64    `json:"sent"`           // bytes since the start
	Received int64    `json:"received"`       // bytes since the start
	Held     string   `json:"held,omitempty"` // why it waits
}
