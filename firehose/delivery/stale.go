package delivery

import (
	"fmt"
	"time"

	"headgate/firehose"
)

// Stale says what becomes of records that have waited too long to be of use.
// Its zero value delivers all of them.
type Stale struct {
	After *Duration `json:"after,omitempty" yaml:"after,omitempty"` // since the record arrived; none: never
	Then  string    `json:"then,omitempty" yaml:"then,omitempty"`   // backup (default): to the error output; drop: nowhere, and counted
}

// The values of Stale.Then.
const (
	Backup = "backup"
	Drop   = "drop"
)

// codeStale is of records that waited too long.
const codeStale = "Record.Stale"

func (s Stale) check() error {
	switch {
	case s.After == nil && s.Then != "":
		return invalid("stale.then goes with stale.after")
	case s.After != nil && time.Duration(*s.After) < time.Minute:
		return invalid("stale.after is %v, at least 1m is allowed", time.Duration(*s.After))
	case s.Then != "" && s.Then != Backup && s.Then != Drop:
		return invalid("stale.then %q is unknown; %s and %s are known", s.Then, Backup, Drop)
	}
	return nil
}

// before is the arrival before which a record is stale, as Unix milliseconds;
// zero when none is. It is sealed with a batch, so that every attempt leaves
// out the same.
func (s Stale) before(now time.Time) int64 {
	if s.After == nil {
		return 0
	}
	return now.Add(-time.Duration(*s.After)).UnixMilli()
}

// late reports whether a record is stale.
func late(r firehose.Record, before int64) bool {
	return before != 0 && r.Arrived.UnixMilli() < before
}

// leave takes a stale record out of a batch: to the error output, or nowhere.
func (ln *lane) leave(t *tally, s source) error {
	if ln.d.c.Spec.Stale.Then == Drop {
		t.see(s.Record)
		t.dropped++
		return nil
	}
	why := fmt.Sprintf("it had waited since %s", s.Arrived.UTC().Format(time.RFC3339))
	return t.reject(s.Record, refuse(s.Seq, codeStale, why, 1, time.Now()))
}
