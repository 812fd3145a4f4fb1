package shardlog

import "time"

// Reason says why records were given up.
type Reason string

// The reasons.
const (
	OverBudget  Reason = "over budget"   // the disk budget ran out before the retention did
	Quarantined Reason = "quarantined"   // their block is corrupt and no peer has it
	Accepted    Reason = "loss accepted" // an operator accepted the loss
	SpoolFull   Reason = "spool full"    // a gateway without its peers ran out of room for them
	SpoolAge    Reason = "spool too old" // a gateway without its peers may not keep them any longer
)

// Gap is a run of records of one shard that were given up. It is a row of
// replicated state, listed by `headgate gaps` and copied to the stream _gaps.
// Records that had no place yet have no shard and no First and Last: First is
// zero and Shard names the stream alone.
type Gap struct {
	Stream      StreamName
	Shard       ShardID
	First, Last Seq
	Records     uint64
	Bytes       uint64 // as stored
	Reason      Reason
	At          time.Time
}
