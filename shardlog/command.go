package shardlog

import "time"

// Command is a change that the gateways of a site agree on. It is a sealed
// sum: Append, CreateStream, DeleteStream, SetRetention, SetRecordSize,
// SplitShard, MergeShards, Trim, Mutate, Concede.
// Every command carries the leader's time; Apply reads no clock.
type Command interface{ command() }

// BundleID numbers the Puts of one gateway. Incarnation is random per start
// of the counter; Number begins at 1.
type BundleID struct {
	Gateway     uint64
	Incarnation uint64
	Number      uint64
}

// Bundle is the part of one Put, or of a leader's unnumbered Puts together,
// that an Append holds. Applied once, it is never applied again under its
// number, in whatever order numbers come.
//
// Places says for each of its entries, in order, in which run of the command
// it lies, numbered over all blocks of the command; NoPlace for an entry that
// was refused. Entries of one run lie in it in the order of bundles and of
// entries. A bundle whose outcome nobody will ask for has no Places.
type Bundle struct {
	ID      BundleID
	Settled uint64 // numbers of this origin below it are not repeated any more: forget what became of them
	From    uint32 // entries of its Put before these; earlier commands hold them
	Places  []uint32
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
// when a bundle has been applied or settled before, a run does not continue
// its shard, a shard is closed or a mutation's expectation fails, nothing of
// it is applied and the Outcome says why. An Append all of whose bundles have
// been applied before is a repetition and succeeds.
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

// SetRecordSize changes how large a record of a stream may be.
type SetRecordSize struct {
	At   time.Time
	Name StreamName
	KiB  int // data and key
}

// SplitShard closes an open shard and opens two in its place, the second from
// Start on.
type SplitShard struct {
	At    time.Time
	Shard ShardID
	Start Hash
}

// MergeShards closes two open shards whose ranges touch and opens one in their
// place. The child names them as parent and adjacent parent.
type MergeShards struct {
	At              time.Time
	Shard, Adjacent ShardID // of one stream
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

// Concede accounts for records that were given up before they had a place:
// a gateway without its peers ran out of room for them. Mutations make it
// happen once.
type Concede struct {
	At        time.Time
	Gaps      []Gap
	Mutations []Mutation
}

func (Append) command()        {}
func (CreateStream) command()  {}
func (DeleteStream) command()  {}
func (SetRetention) command()  {}
func (SetRecordSize) command() {}
func (SplitShard) command()    {}
func (MergeShards) command()   {}
func (Trim) command()          {}
func (Mutate) command()        {}
func (Concede) command()       {}

// Outcome is what Apply answers for one command. With Err nil it happened.
type Outcome struct {
	Index uint64
	Err   error  // Moved, Conflict, InUse, NotFound, LimitExceeded …
	Gaps  []Gap  // of a Trim
	Made  Stream // of CreateStream
}
