package shardlogtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"headgate/shardlog"
)

// Ledger remembers what was handed to a log and what the log acknowledged,
// and compares it with what can be read. Its zero value is ready; it is safe
// for concurrent use. It outlives the log: crash tests keep it beside them.
type Ledger struct {
	mu    sync.Mutex
	tries map[digest]int // how often each entry was handed in
	loose map[digest]int // how often it was acknowledged without a number
	acks  map[shardlog.ShardID]map[shardlog.Seq]ack
	acked int
	twice []string // acknowledgements that gave a number a second time
}

// digest is what makes an entry this entry: its key, data and meta.
type digest [16]byte

type ack struct {
	digest digest
	number shardlog.SequenceNumber
}

func digestOf(key string, data, meta []byte) digest {
	h := sha256.New()
	var length [8]byte
	for _, b := range [][]byte{[]byte(key), data, meta} {
		h.Write(binary.LittleEndian.AppendUint64(length[:0], uint64(len(b))))
		h.Write(b)
	}
	return digest(h.Sum(nil)[:16])
}

// Try notes that an entry is about to be handed in. A retry is another try:
// the log may hold as many copies of an entry as there were tries.
func (l *Ledger) Try(entries ...shardlog.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tries == nil {
		l.tries = make(map[digest]int)
	}
	for _, e := range entries {
		l.tries[digestOf(e.Key, e.Data, e.Meta)]++
	}
}

// Ack notes what Put answered for an entry. A result with an error is none.
func (l *Ledger) Ack(e shardlog.Entry, r shardlog.Result) {
	if r.Err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.acks == nil {
		l.acks = make(map[shardlog.ShardID]map[shardlog.Seq]ack)
	}
	shard := l.acks[r.Shard]
	if shard == nil {
		shard = make(map[shardlog.Seq]ack)
		l.acks[r.Shard] = shard
	}
	if _, taken := shard[r.Number.Index]; taken {
		l.twice = append(l.twice, fmt.Sprintf("%v of stream %d: %d was acknowledged twice", r.Shard, r.Shard.Stream, r.Number.Index))
	}
	shard[r.Number.Index] = ack{digestOf(e.Key, e.Data, e.Meta), r.Number}
	l.acked++
}

// AckSomewhere notes that a door acknowledged an entry without saying where
// it lies.
func (l *Ledger) AckSomewhere(e shardlog.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loose == nil {
		l.loose = make(map[digest]int)
	}
	l.loose[digestOf(e.Key, e.Data, e.Meta)]++
	l.acked++
}

// Report is what Check found. Everything from Missing on is a broken promise.
type Report struct {
	Acked   int // acknowledgements noted
	Read    int // records read
	GivenUp int // acknowledged records that lie in a gap
	Expired int // acknowledged records before the horizon

	Missing    int // acknowledged, not readable
	Altered    int // readable under its number, but something else
	Twice      int // numbers given to two records
	Holes      int // places that are no record and in no gap
	Strange    int // records that nobody handed in
	Copied     int // records beyond the tries there were
	Disordered int // records that arrived earlier than the one before

	Details []string // the first of each of these
}

// Err is nil when no promise was broken.
func (r Report) Err() error {
	if r.Missing+r.Altered+r.Twice+r.Holes+r.Strange+r.Copied+r.Disordered == 0 {
		return nil
	}
	return fmt.Errorf("%d acknowledged, %d read: %d missing, %d altered, %d numbered twice, %d holes, %d strange, %d copied, %d disordered: %q",
		r.Acked, r.Read, r.Missing, r.Altered, r.Twice, r.Holes, r.Strange, r.Copied, r.Disordered, r.Details)
}

const mostDetails = 20

// found counts one broken promise.
func (r *Report) found(count *int, format string, args ...any) {
	*count++
	if len(r.Details) < mostDetails {
		r.Details = append(r.Details, fmt.Sprintf(format, args...))
	}
}
