package firehose

import "context"

// Sink is a destination. Its methods may be called by several goroutines at
// once, also with the same batch.
type Sink interface {
	// Caps says what one delivery may hold. It never changes.
	Caps() Caps

	// Deliver hands over one batch. A sink of objects hands it over whole, or
	// not at all as far as readers of the destination can see, and never holds
	// it in memory whole; a sink of records may leave some of them there, and
	// hands over the others when it is called again. It must be safe to call
	// again with the same batch: what is there already, with the same id and
	// content, counts as delivered wherever the destination can tell. With
	// Poison and Items all other records of the batch may be there or not:
	// they come again without those. It does not retry and keeps nothing of b.
	Deliver(ctx context.Context, b *Batch) Result

	// Probe asks cheaply whether the destination is reachable, exists and
	// takes our credentials. It changes nothing there.
	Probe(ctx context.Context) Result

	// String names the destination for people. It holds no secret.
	String() string

	// Close gives up connections. No other call follows.
	Close() error
}

// Caps is what one delivery may hold. Zero means no limit.
type Caps struct {
	RecordBytes  int   // of one record's framed content
	BatchBytes   int64 // of uncompressed content
	BatchRecords int
}
