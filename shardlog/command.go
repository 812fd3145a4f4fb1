package shardlog

import "time"

// Command is a change that the gateways of a site agree on. It is a sealed
// sum: Append, CreateStream, DeleteStream, SetRetention, Trim, Mutate.
// Every command carries the leader's time; Apply reads no clock.
type Command interface{ command() }

// BundleID numbers a gateway's bundles. Incarnation is random per data folder
// and start-up of its counter; Number grows by one.
type BundleID struct {
	Gateway     uint64
	Incarnation uint64
	Number      uint64
}

// Bundle is one numbered bundle inside an Append. Places says for each of its
// entries, in order, in which run of the command it lies, numbered over all
// blocks of the command; NoPlace for an entry that was refused. Entries of
// one run lie in it in the order of bundles and of entries.
type Bundle struct {
	ID     BundleID
	Places []uint32
}

// NoPlace marks an entry of a bundle that was not stored.
const NoPlace = ^uint32(0)

// SealedBlock is one block inside an Append.
type SealedBlock struct {
	Stream StreamID
	Class  Class
	Bytes  []byte // package block
}

// Append stores sealed blocks of one or more streams. It is all or nothing:
// when a bundle is not the next of its gateway, a run does not continue its
// shard, a shard is closed or a mutation's expectation fails, nothing of it
// is applied and the Outcome says why.
type Append struct {
	At        time.Time // arrival time of all its records
	Bucket    uint32    // never smaller than in the command before
	Bundles   []Bundle
	Blocks    []SealedBlock
	Mutations []Mutation
}

// CreateStream makes a stream. Ranges of its shards are equal parts of the ring.
type CreateStream struct {
	At   time.Time
	Spec StreamSpec
}

// DeleteStream deletes a stream and its records.
type DeleteStream struct {
	At   time.Time
	Name StreamName
}

// SetRetention changes how long a stream's records stay readable.
type SetRetention struct {
	At        time.Time
	Name      StreamName
	Retention time.Duration
}

// Trim gives up the oldest records of a stream. Horizon moves what readers
// see: records that arrived before it are not read any more. Through names
// the last bucket whose blocks of this stream are deleted, zero for none; a
// Reason other than "" makes a Gap of every shard that lost records which
// readers or a pin still had a claim to.
type Trim struct {
	At      time.Time
	Stream  StreamID
	Horizon time.Time
	Through uint32
	Reason  Reason
}

// Mutate changes small state, all or nothing.
type Mutate struct {
	At        time.Time
	Mutations []Mutation
}

func (Append) command()       {}
func (CreateStream) command() {}
func (DeleteStream) command() {}
func (SetRetention) command() {}
func (Trim) command()         {}
func (Mutate) command()       {}

// Outcome is what Apply answers for one command. With Err nil it happened.
type Outcome struct {
	Index uint64
	Err   error  // Moved, Conflict, InUse, NotFound, LimitExceeded …
	Runs  []Run  // of an Append: where each run begins, numbered over all blocks
	Gaps  []Gap  // of a Trim
	Made  Stream // of CreateStream
}

// Run is the place of one run: Count records of Shard from First.
type Run struct {
	Shard ShardID
	First Seq
	Count uint32
}
