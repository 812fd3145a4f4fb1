package shardlog

// Numbered is a Put under a number of the gateway that took it. However often
// it is handed in, and to whichever leader, it is applied once.
type Numbered struct {
	ID      BundleID
	Settled uint64 // all numbers of this origin below it have had their answer and are not handed in again
	Stream  StreamName
	Entries []Entry
	With    []Mutation
	Drained bool // from a spool: it came at its own pace long ago, so no shard's quota is charged
}

// Taken is what became of a Numbered.
type Taken struct {
	Results []Result
	Index   uint64 // once a gateway has applied it, reads there see everything; zero: nothing was stored
}

// Memo is what the log remembers of a bundle until its gateway says that it is
// settled: of the first entries of its Put, as many as commands have held.
type Memo struct {
	Index   uint64 // of the command that held the last part
	Entries []Placed
}

// Placed is where an entry lies; one that was refused has Seq zero.
type Placed struct {
	Shard ShardID
	Seq   Seq
	At    int64 // arrival, Unix milliseconds
}
