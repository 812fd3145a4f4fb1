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
// from which decoding may start, and the run that begins there says so.
type Recorder struct {
	Writer shardlog.Writer
	Stream shardlog.StreamName
	Budget int // bytes that may wait; zero: 8 MiB
	Log    *slog.Logger

	mu      sync.Mutex
	builder Builder       // guarded by mu
	queue   [][]byte      // guarded by mu: whole parts
	waiting int           // guarded by mu: bytes of the queue, those under way included
	last    int64         // guarded by mu: time of the latest frame
	shift   int64         // guarded by mu: added to the times of this run
	fresh   bool          // guarded by mu: the run has no frame yet
	open    bool          // guarded by mu: between Begin and End
	skip    bool          // guarded by mu: give up until the next key part
	ended   Reason        // guarded by mu: why the last run ended
	stats   RecorderStats // guarded by mu
	wake    chan struct{}
	once    sync.Once
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

// Begin begins a run. Times of an unsynced one are those of arrival.
func (r *Recorder) Begin(tracks []Track, unsynced bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	why := r.ended
	if why == "" {
		why = First
	}
	r.push(r.builder.Begin(Run{Why: why, Unsynced: unsynced}, tracks))
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
			r.shift, r.builder.run.Unsynced = r.last+1-f.At, true
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

// End ends the run.
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
		r.builder.run.Began, r.builder.run.Why = p.Start, Overrun
		p.Run = r.builder.run
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
	r.queue = append(r.queue, b)
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
	return nil
}

// drain stores what waits, until ctx ends.
func (r *Recorder) drain(ctx context.Context) {
	for {
		entries, parts := r.batch()
		if len(entries) == 0 {
			return
		}
		if !r.store(ctx, entries) {
			return
		}
		r.mu.Lock()
		for _, p := range r.queue[:parts] {
			r.waiting -= len(p)
			r.stats.Bytes += uint64(len(p))
		}
		r.queue = r.queue[parts:]
		r.stats.Parts += uint64(parts)
		r.mu.Unlock()
	}
}

// maxBatch is how many bytes one Put carries, unless one part alone has more.
const maxBatch = 768 << 10

// batch is the next parts as entries.
func (r *Recorder) batch() (entries []shardlog.Entry, parts int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	bytes := 0
	for _, p := range r.queue {
		if bytes+len(p) > maxBatch && parts > 0 {
			break
		}
		entries = append(entries, Entries(string(r.Stream), p)...)
		bytes += len(p)
		parts++
	}
	return entries, parts
}

// Entries cuts a part into the entries that hold it, all of one key.
func Entries(key string, part []byte) []shardlog.Entry {
	var all []shardlog.Entry
	room := shardlog.MaxRecordBytes - len(key)
	for len(part) > room {
		all = append(all, shardlog.Entry{Key: key, Data: part[:room]})
		part = part[room:]
	}
	return append(all, shardlog.Entry{Key: key, Data: part})
}

// store puts entries until all are stored, or never will be. It reports false
// when ctx ended before.
func (r *Recorder) store(ctx context.Context, entries []shardlog.Entry) bool {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		results, err := r.Writer.Put(ctx, r.Stream, entries)
		for err == nil && len(results) > 0 && results[0].Err == nil {
			results, entries = results[1:], entries[1:]
		}
		if len(entries) == 0 {
			return true
		}
		if err == nil && len(results) > 0 {
			err = results[0].Err
		}
		if kind := shardlog.KindOf(err); kind == shardlog.NotFound || kind == shardlog.Invalid { // the camera was removed
			r.mu.Lock()
			r.stats.Dropped++
			r.mu.Unlock()
			return true
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
			return false
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
