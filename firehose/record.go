package firehose

import (
	"fmt"

	"headgate/shardlog"
)

// Record is what is delivered: a record of the log, or one of those that a
// transform made of it. Its bytes are valid until the next is asked for.
type Record struct {
	shardlog.Record
	Sub  int               // its place among those that one record became, from zero
	Keys map[string]string // of dynamic partitioning; nil when there is none
}

// Place names the record within its shard, the same in every attempt: its
// sequence number and, where one became several, which of them it is.
func (r Record) Place() string {
	if r.Sub == 0 {
		return fmt.Sprint(uint64(r.Seq))
	}
	return fmt.Sprintf("%d.%d", uint64(r.Seq), r.Sub)
}
