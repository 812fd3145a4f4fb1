// Package delivery carries a stream to a sink. The shard log is its only
// buffer: what it knows durably are a cursor for each shard and the batches it
// has sealed. A batch is sealed, with the names and hashes of its objects,
// before its first byte leaves, so that every attempt, after any crash, on any
// gateway, sends the same objects under the same names. It does not know what
// a sink is made of, nor how records are encoded.
package delivery

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/firehose"
	"headgate/shardlog"
)

// Config is what a Delivery is made of. All but Errors, Transform and Log is needed.
type Config struct {
	Spec    Spec
	Reader  shardlog.Reader
	Catalog shardlog.Catalog
	States  shardlog.States
	Sink    firehose.Sink
	Errors  firehose.Sink // takes the error records of what Sink refuses; nil: Sink itself, which then writes objects
	Encoder func(firehose.Format) (firehose.Encoder, error)
	Log     *slog.Logger // nil: slog.Default

	Uptime func() time.Duration // of the link: the clock of Spec.Retry; nil: time itself

	Transform     firehose.Transform // nil: records go as they are
	TransformSpec string             // describes Transform, so that a change of it is one of the delivery; empty with nil only
}

// Delivery is one delivery. Run runs it; Status may be asked at any time.
type Delivery struct {
	c         Config
	data      outlet
	errors    outlet
	ledger    *ledger
	control   *control
	window    *window // of shards that send
	namer     namer   // set by Run before any lane begins
	limit     limit
	pace      pace
	transform string // digest of Config.TransformSpec

	mu     sync.Mutex
	lanes  map[shardlog.ShardID]*lane // guarded by mu
	phase  State                      // guarded by mu: Idle, Waiting, Running
	last   error                      // guarded by mu
	counts Counts                     // guarded by mu
}

// outlet is where batches go, and the gate before it.
type outlet struct {
	sink firehose.Sink
	gate *gate
	last bool // there is no other to divert to what is refused
}

// Bounds of one delivery's work.
const (
	maxUploads  = 4               // shards that send at once
	lookForMore = 2 * time.Second // between looks for new shards
)

// New makes a delivery. It starts nothing. Kind Invalid.
func New(c Config) (*Delivery, error) {
	if err := c.Spec.Validate(); err != nil {
		return nil, err
	}
	if c.Reader == nil || c.Catalog == nil || c.States == nil || c.Sink == nil || c.Encoder == nil {
		return nil, invalid("%s: a reader, a catalog, states, a sink and an encoder are needed", c.Spec.Name)
	}
	if (c.Transform == nil) != (c.TransformSpec == "") {
		return nil, invalid("%s: a transform and its description come together", c.Spec.Name)
	}
	if _, err := c.Encoder(c.Spec.format()); err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Uptime == nil {
		begin := time.Now()
		c.Uptime = func() time.Duration { return time.Since(begin) }
	}
	d := &Delivery{c: c, control: newControl(), window: newWindow(maxUploads), lanes: map[shardlog.ShardID]*lane{}, phase: Idle, transform: digestOf(c.TransformSpec)}
	d.data = outlet{sink: c.Sink, gate: newGate()}
	d.errors = outlet{sink: c.Sink, gate: d.data.gate, last: true}
	if c.Errors != nil {
		d.errors = outlet{sink: c.Errors, gate: newGate(), last: true}
	}
	d.limit.set(c.Spec.sizeBytes(), c.Sink.Caps())
	d.ledger = &ledger{states: c.States, failed: d.note}
	return d, nil
}

// Run delivers until ctx ends. It retries for ever: the log keeps what is not
// delivered. It returns nil after ctx has ended.
func (d *Delivery) Run(ctx context.Context) error {
	defer d.enter(Idle)
	var group errgroup.Group
	d.control.forget()
	group.Go(func() error { d.obey(ctx); return nil })
	group.Go(func() error { d.follow(ctx, &group); return nil })
	err := group.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.lanes)
	return err
}

// follow starts a lane for every shard, as shards appear.
func (d *Delivery) follow(ctx context.Context, group *errgroup.Group) {
	prepared := false
	for ; ctx.Err() == nil; pause(ctx, lookForMore) {
		s, ok := d.c.Catalog.Stream(d.c.Spec.Stream)
		if !ok {
			d.enter(Waiting)
			continue
		}
		if !prepared {
			if err := d.prepare(ctx); err != nil {
				d.note(err)
				continue
			}
			prepared = true
		}
		d.enter(Running)
		for _, sh := range s.Shards {
			if ln := d.lane(sh); ln != nil {
				group.Go(func() error { ln.run(ctx); return nil })
			}
		}
	}
}

// lane makes the lane of a shard that has none yet.
func (d *Delivery) lane(sh shardlog.Shard) *lane {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lanes[sh.ID] != nil {
		return nil
	}
	ln := &lane{d: d, shard: sh, at: place{key: stateKey(d.c.Spec.Name, sh.ID)}}
	d.lanes[sh.ID] = ln
	return ln
}

func (d *Delivery) enter(s State) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.phase = s
}

// note keeps an error for Status, and says it in the log once.
func (d *Delivery) note(err error) {
	d.mu.Lock()
	again := d.last != nil && d.last.Error() == err.Error()
	d.last = err
	d.mu.Unlock()
	if !again {
		d.c.Log.Warn("delivery", "name", d.c.Spec.Name, "sink", d.c.Sink.String(), "error", err)
	}
}

func (d *Delivery) healed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = nil
}

// limit is how much one batch may hold. It shrinks when the sink says that a
// batch is too large.
type limit struct {
	mu    sync.Mutex
	bytes int64 // guarded by mu
	most  int64 // guarded by mu: what bytes grows to
	count int
}

func (l *limit) set(bytes int64, caps firehose.Caps) {
	l.bytes, l.count = bytes, maxBatchRecords
	if caps.BatchBytes > 0 {
		l.bytes = min(l.bytes, caps.BatchBytes)
	}
	l.most = l.bytes
	if caps.BatchRecords > 0 {
		l.count = min(l.count, caps.BatchRecords)
	}
}

// growth is the part by which the limit grows with each batch that is taken:
// what was refused once may have been another's fault, and a limit that is
// real costs a request in some sixty.
const growth = 64

// maxBatchRecords bounds a batch of tiny records.
const maxBatchRecords = 1 << 20

func (l *limit) now() (bytes int64, count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes, l.count
}

// grow lets what was too large come back, a little at a time.
func (l *limit) grow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes = min(l.most, l.bytes+l.bytes/growth+1)
}

// shrink halves the limit below what was too large.
func (l *limit) shrink(tooLarge int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes = max(1, min(l.bytes, tooLarge/2))
}
