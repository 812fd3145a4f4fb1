package chunk

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"headgate/shardlog"
)

// Recorder stores what one camera sends. Its methods never wait for the log:
// parts queue, up to Budget; beyond it footage is given up until the next part
// from which decoding may start, and the take that begins there says so.
type Recorder struct {
	Writer shardlog.Writer
	Stream shardlog.StreamName
	Budget int // bytes that may wait; zero: 8 MiB
	Log    *slog.Logger

	mu      sync.Mutex
	builder Builder       // guarded by mu
	queue   []queued      // guarded by mu: whole parts
	taken   uint64        // guarded by mu: parts queued since the beginning
	key     shardlog.Seq  // guarded by mu: place of the latest stored part with a header; 0: not known
	over    bool          // guarded by mu: Run has ended
	moved   chan struct{} // guarded by mu: closed when something has been stored; nil: nobody waits
	waiting int           // guarded by mu: bytes of the queue, those under way included
	last    int64         // guarded by mu: time of the latest frame
	shift   int64         // guarded by mu: added to the times of this take
	fresh   bool          // guarded by mu: the take has no frame yet
	open    bool          // guarded by mu: between Begin and End
	skip    bool          // guarded by mu: give up until the next key part
	ended   Reason        // guarded by mu: why the last take ended
	stats   RecorderStats // guarded by mu
	wake    chan struct{}
	once    sync.Once
}

// queued is a part in the queue.
type queued struct {
	bytes []byte
	key   bool
}

// RecorderStats is what a Recorder has done.
type RecorderStats struct {
	Parts, Bytes  uint64 // stored
	Frames        uint64 // taken
	Lost          uint64 // frames that came incomplete
	Dropped       uint64 // parts given up because the log was slower
	Throttled     uint64 // times the shard's limit was met
	Retries       uint64 // times the log could not take parts
	Waiting       int    // bytes that wait for the log
	Latest        int64  // time of the latest frame, milliseconds since 1970
	StoredThrough int64  // and of the latest part stored
}

const usualBudget = 8 << 20

func (r *Recorder) signal() chan struct{} {
	r.once.Do(func() { r.wake = make(chan struct{}, 1) })
	return r.wake
}

// Resume says where the log ends: the latest frame in it, and why nothing
// follows. A Recorder goes on behind it, whatever the clock says.
func (r *Recorder) Resume(last int64, why Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last > r.last {
		r.last, r.ended = last, why
	}
}

// Begin begins a take. Times of an unsynced one are those of arrival.
func (r *Recorder) Begin(tracks []Track, unsynced bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	why := r.ended
	if why == "" {
		why = First
	}
	r.push(r.builder.Begin(Take{Why: why, Unsynced: unsynced}, tracks))
	r.open, r.fresh, r.shift, r.ended = true, true, 0, Interrupted
}

// Tracks says that from now on frames are coded so.
func (r *Recorder) Tracks(tracks []Track) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.push(r.builder.Tracks(tracks))
}

// Frame takes a frame and keeps its bytes.
func (r *Recorder) Frame(f Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open || len(f.Data) == 0 || len(f.Data) > MaxFrameBytes {
		return
	}
	if r.fresh {
		r.fresh = false
		if f.At <= r.last { // the clock stands before what is recorded
			r.shift, r.builder.take.Unsynced = r.last+1-f.At, true
		}
	}
	f.At += r.shift
	r.last = max(r.last, f.At)
	r.stats.Frames++
	r.push(r.builder.Add(f))
}

// Lose counts a frame that came incomplete.
func (r *Recorder) Lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Lost++
	r.push(r.builder.Lose())
}

// End ends the take.
func (r *Recorder) End(why Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open {
		return
	}
	r.push(r.builder.Close())
	r.open, r.ended = false, why
}

// push queues a part. It is called with mu held.
func (r *Recorder) push(p *Part) {
	if p == nil {
		return
	}
	if r.skip && p.Key() {
		r.skip = false
		r.builder.take.Began, r.builder.take.Why = p.Start, Overrun
		p.Take = r.builder.take
	}
	budget := r.Budget
	if budget == 0 {
		budget = usualBudget
	}
	if size := p.Size(); r.skip || r.waiting+size > budget && r.waiting > 0 {
		r.skip = true
		r.stats.Dropped++
		return
	}
	b := p.Append(nil)
	r.queue = append(r.queue, queued{b, p.Key()})
	r.taken++
	r.waiting += len(b)
	select {
	case r.signal() <- struct{}{}:
	default:
	}
}

// Pressure is how full the queue is, from 0 to 1.
func (r *Recorder) Pressure() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	budget := r.Budget
	if budget == 0 {
		budget = usualBudget
	}
	return min(1, float64(r.waiting)/float64(budget))
}

// Stats is what has been done so far.
func (r *Recorder) Stats() RecorderStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Waiting, s.Latest = r.waiting, r.last
	return s
}

// lateTime is how long parts that wait when Run's context ends are still tried.
const lateTime = 3 * time.Second

// Run stores parts in order until ctx ends, and then what is left.
func (r *Recorder) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-r.signal():
		case <-ctx.Done():
		}
		r.drain(ctx)
	}
	r.End(Interrupted)
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), lateTime)
	defer cancel()
	r.drain(late)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.tell()
	return nil
}

// drain stores what waits, until ctx ends.
func (r *Recorder) drain(ctx context.Context) {
	for {
		entries, parts := r.batch()
		if len(entries) == 0 {
			return
		}
		places, ok := r.store(ctx, entries)
		if !ok {
			return
		}
		r.stored(parts, places)
	}
}

// stored takes parts off the queue, whose entries have got these places, as far
// as they are stored.
func (r *Recorder) stored(parts int, places []shardlog.Seq) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.queue[:parts] {
		r.waiting -= len(p.bytes)
		r.stats.Bytes += uint64(len(p.bytes))
		n := len(Entries(string(r.Stream), p.bytes))
		if n > len(places) { // it never will be
			places = nil
			continue
		}
		if p.key {
			r.key = places[0]
		}
		places = places[n:]
	}
	r.queue = r.queue[parts:]
	r.stats.Parts += uint64(parts)
	r.tell()
}

// tell wakes those who wait in Flush. It is called with mu held.
func (r *Recorder) tell() {
	if r.moved != nil {
		close(r.moved)
		r.moved = nil
	}
}

// Flush closes the open part and waits until all that was handed in so far is
// stored, unless it was given up. It answers the place of the latest part with
// a header that was, 0 when the log has told none. Kind Unavailable: ctx or Run
// ended before.
func (r *Recorder) Flush(ctx context.Context) (shardlog.Seq, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.push(r.builder.Close())
	for want := r.taken; r.stats.Parts < want; {
		if r.over {
			return r.key, shardlog.Errorf(shardlog.Unavailable, "flush", "the recorder has ended")
		}
		if r.moved == nil {
			r.moved = make(chan struct{})
		}
		moved := r.moved
		r.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
		}
		r.mu.Lock()
		if err := ctx.Err(); err != nil {
			return r.key, err
		}
	}
	return r.key, nil
}

// maxBatch is how many bytes one Put carries, unless one part alone has more.
const maxBatch = 768 << 10

// batch is the next parts as entries.
func (r *Recorder) batch() (entries []shardlog.Entry, parts int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	bytes := 0
	for _, p := range r.queue {
		if bytes+len(p.bytes) > maxBatch && parts > 0 {
			break
		}
		entries = append(entries, Entries(string(r.Stream), p.bytes)...)
		bytes += len(p.bytes)
		parts++
	}
	return entries, parts
}

// Entries cuts a part into the entries that hold it, all of one key.
func Entries(key string, part []byte) []shardlog.Entry {
	var all []shardlog.Entry
	room := shardlog.DefaultRecordBytes - len(key)
	for len(part) > room {
		all = append(all, shardlog.Entry{Key: key, Data: part[:room]})
		part = part[room:]
	}
	return append(all, shardlog.Entry{Key: key, Data: part})
}

// store puts entries until all are stored, or never will be, and answers the
// places of those that are. It reports false when ctx ended before.
func (r *Recorder) store(ctx context.Context, entries []shardlog.Entry) (places []shardlog.Seq, ok bool) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		results, err := r.Writer.Put(ctx, r.Stream, entries)
		for err == nil && len(results) > 0 && results[0].Err == nil {
			places = append(places, results[0].Number.Index)
			results, entries = results[1:], entries[1:]
		}
		if len(entries) == 0 {
			return places, true
		}
		if err == nil && len(results) > 0 {
			err = results[0].Err
		}
		if kind := shardlog.KindOf(err); kind == shardlog.NotFound || kind == shardlog.Invalid { // the camera was removed
			r.mu.Lock()
			r.stats.Dropped++
			r.mu.Unlock()
			return places, true
		}
		r.mu.Lock()
		if shardlog.KindOf(err) == shardlog.Throttled {
			r.stats.Throttled++
			wait = 50 * time.Millisecond
		} else {
			r.stats.Retries++
		}
		r.mu.Unlock()
		if r.Log != nil {
			r.Log.Debug("parts wait", "camera", r.Stream, "error", err)
		}
		if pause(ctx, max(wait, shardlog.RetryAfter(err))) != nil {
			return places, false
		}
	}
}

// pause waits, or answers why not.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
