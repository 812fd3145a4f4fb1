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
	codecs codecs
	errors errorEncoder
	from   shardlog.Seq // where the range begins, whether or not that record still exists
	until  shardlog.Seq // where it ends at least; zero: with the last record seen

	first, last    shardlog.Seq // of the records seen; zero while there is none
	oldest, newest time.Time
	seen           uint64
	filtered       uint64
	dropped        uint64
	stale          int64 // arrival before which records are stale; zero: none is
	refused        []refusal
	abandoned      *refusal // why all others are refused too; nil: they are not

	data, bad sums
	parts     map[string]*sums // of data, by partition; nil without partitions
	order     []string         // of parts: as they were met
	frames    frames
}

// sums is the count, size and hash of one object's content.
type sums struct {
	count int
	bytes int64
	hash  hash.Hash
}

func newTally(from shardlog.Seq, codecs codecs, ln *lane) *tally {
	t := &tally{codecs: codecs, from: from, data: sums{hash: sha256.New()}, bad: sums{hash: sha256.New()}}
	t.errors = errorEncoder{codec: codecs.lines, shard: ln.shard, refused: t.lookup}
	if ln.d.namer.prefixes.data.partitioned() {
		t.parts = map[string]*sums{}
	}
	return t
}

func (t *tally) lookup(seq shardlog.Seq) (refusal, bool) {
	return intent{Refused: t.refused, Abandoned: t.abandoned}.refused(seq)
}

// empty reports whether no record was added.
func (t *tally) empty() bool { return t.seen == 0 }

// frames is the content of all that one source became.
type frames struct {
	content    []byte
	ends       []int    // of each record's content
	partitions []string // of each record; nil without partitions
}

func (f frames) count() int { return len(f.ends) }

// exceed reports whether no delivery may hold them.
func (f frames) exceed(c firehose.Caps) bool {
	begin := 0
	for _, end := range f.ends {
		if c.RecordBytes > 0 && end-begin > c.RecordBytes {
			return true
		}
		begin = end
	}
	// They cannot be parted; a single record is left to the sink's judgement.
	return len(f.ends) > 1 && (c.BatchRecords > 0 && len(f.ends) > c.BatchRecords || c.BatchBytes > 0 && int64(len(f.content)) > c.BatchBytes)
}

// framed is the content of what a source became, or the error that refuses
// it. It is valid until the next call.
func (t *tally) framed(s source) (frames, error) {
	f := frames{content: t.frames.content[:0], ends: t.frames.ends[:0]}
	for _, r := range s.out {
		begin := len(f.content)
		frame, err := t.codecs.data.Frame(f.content[begin:], r)
		if err != nil {
			return frames{}, err
		}
		f.content = append(f.content[:begin], frame...)
		f.ends = append(f.ends, len(f.content))
	}
	t.frames = f
	return f, nil
}

// take adds a source with the content of what it became.
func (t *tally) take(s source, f frames) {
	t.see(s.Record)
	if f.count() == 0 {
		t.filtered++
		return
	}
	t.data.add(f.content, f.count())
	begin := 0
	for i, partition := range f.partitions {
		p := t.parts[partition]
		if p == nil {
			p = &sums{hash: sha256.New()}
			t.parts[partition] = p
			t.order = append(t.order, partition)
		}
		p.add(f.content[begin:f.ends[i]], 1)
		begin = f.ends[i]
	}
}

// crowded reports whether a source brings more partitions than a batch has
// room for. One that brings too many alone is let in.
func (t *tally) crowded(f frames) bool {
	fresh := map[string]bool{}
	for _, partition := range f.partitions {
		if t.parts[partition] == nil {
			fresh[partition] = true
		}
	}
	return len(fresh) > 0 && len(t.parts) > 0 && len(t.parts)+len(fresh) > maxPartitions
}

// reject adds a record that goes to the error output.
func (t *tally) reject(r firehose.Record, why refusal) error {
	if t.abandoned == nil || why != *t.abandoned {
		t.refused = append(t.refused, why)
	}
	line, err := t.errors.Frame(nil, r)
	if err != nil {
		return err
	}
	t.see(r)
	t.bad.add(line, 1)
	return nil
}

func (t *tally) see(r firehose.Record) {
	if t.seen == 0 {
		t.first, t.oldest = r.Seq, r.Arrived
	}
	t.last, t.newest = r.Seq, r.Arrived
	t.seen++
}

func (s *sums) add(content []byte, records int) {
	s.count += records
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
	in := intent{From: t.from, First: t.first, Last: t.end(), Missing: t.missing(), Filtered: t.filtered, Dropped: t.dropped, Stale: t.stale, Version: n.version, Format: f, Refused: t.refused}
	if t.empty() {
		return in
	}
	in.Oldest, in.Newest = t.oldest.UnixMilli(), t.newest.UnixMilli()
	for _, partition := range t.order {
		p := t.parts[partition]
		e := extent{shard, t.first, in.Last, t.oldest, p.digest(), partition}
		one := p.part(n.id(e, "data"), n.object(e))
		one.Partition = partition
		in.Parts = append(in.Parts, one)
	}
	if t.data.count > 0 && t.parts == nil {
		e := extent{shard, t.first, in.Last, t.oldest, t.data.digest(), ""}
		in.Data = t.data.part(n.id(e, "data"), n.object(e))
	}
	if t.bad.count > 0 {
		e := extent{shard, t.first, in.Last, t.oldest, t.bad.digest(), ""}
		in.Errors = t.bad.part(n.id(e, "errors"), n.errorObject(e))
	}
	return in
}

func (s sums) digest() (d digest) {
	s.hash.Sum(d[:0])
	return d
}

func (s sums) part(id, object string) part {
	return part{ID: id, Object: object, Count: s.count, Bytes: s.bytes, SHA256: s.digest()}
}
