package firehose

import "context"

// Sink is a destination. Its methods may be called by several goroutines at
// once, also with the same batch.
type Sink interface {
	// Caps says what one delivery may hold. It never changes.
	Caps() Caps

	// Deliver hands over one batch whole, or not at all as far as readers of
	// the destination can see. It must be safe to call again with the same
	// batch: what is there already, with the same id and content, counts as
	// delivered. It does not retry and keeps nothing of b. It never holds the
	// whole batch in memory.
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
