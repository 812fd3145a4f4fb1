package delivery

import (
	"crypto/sha256"
	"hash"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// tally adds up the records of a batch to be: what they come to in bytes and
// which content they make. It keeps no record. It is not safe for concurrent use.
type tally struct {
	encoder firehose.Encoder
	errors  errorEncoder
	from    shardlog.Seq // where the range begins, whether or not that record still exists
	until   shardlog.Seq // where it ends at least; zero: with the last record seen

	first, last    shardlog.Seq // of the records seen; zero while there is none
	oldest, newest time.Time
	seen           uint64
	refused        []refusal

	data, bad sums
	frame     []byte
}

// sums is the count, size and hash of one object's content.
type sums struct {
	count int
	bytes int64
	hash  hash.Hash
}

func newTally(from shardlog.Seq, encoder firehose.Encoder, shard shardlog.Shard) *tally {
	t := &tally{encoder: encoder, from: from, data: sums{hash: sha256.New()}, bad: sums{hash: sha256.New()}}
	t.errors = errorEncoder{codec: encoder, shard: shard, refused: t.lookup}
	return t
}

func (t *tally) lookup(seq shardlog.Seq) (refusal, bool) {
	return intent{Refused: t.refused}.refused(seq)
}

// empty reports whether no record was added.
func (t *tally) empty() bool { return t.seen == 0 }

// framed is the record's content, or the error that refuses it. It is valid
// until the next call.
func (t *tally) framed(r firehose.Record) ([]byte, error) {
	frame, err := t.encoder.Frame(t.frame[:0], r)
	if err == nil {
		t.frame = frame
	}
	return frame, err
}

// take adds a record with its content.
func (t *tally) take(r firehose.Record, frame []byte) {
	t.see(r)
	t.data.add(frame)
}

// reject adds a record that goes to the error output.
func (t *tally) reject(r firehose.Record, why refusal) error {
	t.refused = append(t.refused, why)
	line, err := t.errors.Frame(nil, r)
	if err != nil {
		return err
	}
	t.see(r)
	t.bad.add(line)
	return nil
}

func (t *tally) see(r firehose.Record) {
	if t.seen == 0 {
		t.first, t.oldest = r.Seq, r.Arrived
	}
	t.last, t.newest = r.Seq, r.Arrived
	t.seen++
}

func (s *sums) add(content []byte) {
	s.count++
	s.bytes += int64(len(content))
	s.hash.Write(content)
}

// end is where the range ends.
func (t *tally) end() shardlog.Seq { return max(t.last, t.until) }

// missing is how many records of the range no longer exist: sequence numbers
// have no holes.
func (t *tally) missing() uint64 { return uint64(t.end()+1-t.from) - t.seen }

// intent is what the tally comes to, under the names that n gives.
func (t *tally) intent(shard shardlog.ShardID, n namer, f firehose.Format) intent {
	in := intent{From: t.from, First: t.first, Last: t.end(), Missing: t.missing(), Version: n.version, Format: f, Refused: t.refused}
	if t.empty() {
		return in
	}
	in.Oldest, in.Newest = t.oldest.UnixMilli(), t.newest.UnixMilli()
	if t.data.count > 0 {
		in.Data = t.data.part(n.id(shard, t.first, in.Last, "data"), n.object(shard, t.first, in.Last, t.oldest))
	}
	if t.bad.count > 0 {
		in.Errors = t.bad.part(n.id(shard, t.first, in.Last, "errors"), n.errorObject(shard, t.first, in.Last, t.oldest))
	}
	return in
}

func (s sums) part(id, object string) part {
	p := part{ID: id, Object: object, Count: s.count, Bytes: s.bytes}
	s.hash.Sum(p.SHA256[:0])
	return p
}
