// Package logs makes log entries of records for services that take no old
// ones. It does not know their forms.
package logs

import (
	"fmt"
	"strings"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Stale says what becomes of a record that is older than the service takes.
type Stale string

// The policies.
const (
	Restamp Stale = "restamp" // it is sent as of now, its arrival beside it; the default
	Send    Stale = "send"    // it is sent as it is, and may be dropped there in silence
	Refuse  Stale = "refuse"  // it goes to the error output
)

// CodeStale is of records that are refused for their age.
const CodeStale = "Record.Stale"

// Rules make entries. Make them with NewRules.
type Rules struct {
	stale Stale
	most  time.Duration
	now   func() time.Time
}

// NewRules checks a policy, empty for the default, of a service that takes
// records up to an age. now is the clock, nil for the machine's. Kind Invalid.
func NewRules(stale Stale, most time.Duration, now func() time.Time) (Rules, error) {
	switch stale {
	case "":
		stale = Restamp
	case Restamp, Send, Refuse:
	default:
		return Rules{}, shardlog.Errorf(shardlog.Invalid, "open sink", "stale %q is unknown; %s, %s and %s are known", stale, Restamp, Send, Refuse)
	}
	if now == nil {
		now = time.Now
	}
	return Rules{stale, most, now}, nil
}

// Entry is a record as a log service sees it.
type Entry struct {
	At      time.Time
	Message string // the record's data, as UTF-8
	Batch   string // by which, with Seq, people find what came twice
	Seq     string
	Stream  string
	Arrived string // when it arrived, if At is another time; else empty
}

// Entry makes one of a record, or refuses it.
func (s Rules) Entry(b *firehose.Batch, r firehose.Record) (Entry, *firehose.Item) {
	e := Entry{At: r.Arrived, Message: strings.ToValidUTF8(string(r.Data), "�"), Batch: b.ID, Seq: b.DocumentID(r), Stream: string(b.Stream)}
	age := s.now().Sub(r.Arrived)
	if age <= s.most {
		return e, nil
	}
	switch s.stale {
	case Refuse:
		return e, &firehose.Item{Seq: r.Seq, Code: CodeStale, Message: fmt.Sprintf("it is %s old, %s are taken", age.Round(time.Minute), s.most)}
	case Restamp:
		e.At, e.Arrived = s.now(), r.Arrived.UTC().Format(time.RFC3339Nano)
	}
	return e, nil
}

// Refusal is the result of a batch of which some records cannot be sent; none
// of the others was.
func Refusal(items []firehose.Item) firehose.Result {
	r := firehose.Fail(firehose.Poison, fmt.Errorf("%d records cannot be sent: %s %s", len(items), items[0].Code, items[0].Message))
	r.Items = items
	return r
}
