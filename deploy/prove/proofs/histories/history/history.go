// Package history judges what clients saw of a stream: puts are linearizable,
// and every gateway shows a prefix of one log per shard that grows, whoever
// asks. It does not know how the clients were driven, nor what was done to
// the gateways meanwhile.
package history

import (
	"cmp"
	"time"
)

// History is what clients of one stream did and saw. Times count from its
// begin; values are unique, each is put once.
type History struct {
	Seed      uint64
	Config    string     // for people
	Events    []Event    // what was done to the gateways, for people
	Puts      []Put      // in any order
	Iterators []Iterator // in any order
	Reads     []Read     // those of one iterator in the order of its pages
	Copies    []Copy     // every shard, through every gateway, when all was well again
}

// Event is something that happened to the site.
type Event struct {
	At   time.Duration
	What string
}

// Outcome is what a client knows about its put.
type Outcome string

// Outcomes: Stored with a number; Refused, certainly not stored; Unknown.
const (
	Stored  Outcome = "stored"
	Refused Outcome = "refused"
	Unknown Outcome = "unknown"
)

// Put is one attempt to append one value.
type Put struct {
	Client, Shard, Value string
	Called, Ended        time.Duration
	Outcome              Outcome
	Number               string // when stored
	Error                string // otherwise, for people
}

// Start is where an iterator begins.
type Start string

// Starts: Horizon is the first record, After the one behind a number, Latest
// the one that is stored next.
const (
	Horizon Start = "horizon"
	After   Start = "after"
	Latest  Start = "latest"
)

// Iterator is a position in a shard, which Reads move on.
type Iterator struct {
	ID            int
	Client, Shard string
	Start         Start
	Number        string // for After
	Called, Ended time.Duration
}

// Read is one page of an iterator.
type Read struct {
	Iterator      int
	Gateway       int
	Called, Ended time.Duration
	Records       []Record
}

// Record is a value with its number.
type Record struct{ Number, Value string }

// Copy is a whole shard, read through one gateway at the end.
type Copy struct {
	Gateway int
	Shard   string
	Records []Record
}

// compare compares two sequence numbers, which are decimal.
func compare(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
