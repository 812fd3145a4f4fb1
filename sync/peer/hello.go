package peer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"headgate/shardlog"
)

// Hello is what a gateway says of itself each second.
type Hello struct {
	ID       string    `json:"id"`
	Version  string    `json:"version"`  // of the program
	Protocol Range     `json:"protocol"` // of calls between gateways
	Address  string    `json:"address,omitempty"`
	Wall     time.Time `json:"wall"`   // its clock
	Synced   bool      `json:"synced"` // its kernel says that the clock is right

	Applied uint64 `json:"applied"` // the last command it has applied
	Last    uint64 `json:"last"`    // the last it has in its log
	Term    uint64 `json:"term"`
	Leader  string `json:"leader,omitempty"` // whom it believes to lead
	Leading bool   `json:"leading,omitempty"`
	Voter   bool   `json:"voter,omitempty"`

	Holes    bool   `json:"holes,omitempty"`    // it lacks blocks that it should have
	Isolated bool   `json:"isolated,omitempty"` // it has no quorum and spools
	Spooled  uint64 `json:"spooled,omitempty"`  // entries in its spool
	Stored   uint64 `json:"stored,omitempty"`   // bytes its data takes
	Free     uint64 `json:"free,omitempty"`     // bytes free on its volume
	Volume   uint64 `json:"volume,omitempty"`   // bytes of its volume
}

// Range is the protocols that a gateway speaks, both included. A release that
// changes the calls between gateways speaks its own and the one before.
type Range struct {
	Min uint32 `json:"min"`
	Max uint32 `json:"max"`
}

// String is the range as calls carry it: "3-4".
func (r Range) String() string { return fmt.Sprintf("%d-%d", r.Min, r.Max) }

// Overlaps reports whether two gateways have a protocol in common.
func (r Range) Overlaps(o Range) bool { return r.Min <= o.Max && o.Min <= r.Max }

func parseRange(text string) (Range, error) {
	low, high, _ := strings.Cut(text, "-")
	least, err := strconv.ParseUint(low, 10, 32)
	most, err2 := strconv.ParseUint(high, 10, 32)
	return Range{uint32(least), uint32(most)}, errors.Join(err, err2)
}

// Common is the newest protocol that both gateways speak, false for none.
func (r Range) Common(o Range) (uint32, bool) { return min(r.Max, o.Max), r.Overlaps(o) }

// overlap says why a caller with that range is not answered.
func (l *Links) overlap(caller, text string) error {
	theirs, err := parseRange(text)
	if err != nil {
		return shardlog.Errorf(shardlog.Invalid, "answer call", "%.40q is no range of protocols", text)
	}
	return l.incompatible(caller, theirs)
}

// incompatible is the error between gateways that are too many releases apart,
// nil for others.
func (l *Links) incompatible(id string, theirs Range) error {
	if l.c.Protocol.Overlaps(theirs) {
		return nil
	}
	older := id
	if theirs.Min > l.c.Protocol.Max {
		older = l.c.ID
	}
	return shardlog.Errorf(shardlog.Unavailable, "speak with gateway "+id,
		"it speaks protocols %v and this gateway %v: update gateway %s, one release at a time", theirs, l.c.Protocol, older)
}
