package shardlog

import "time"

// Class is a retention class: streams whose data is kept, and given up, alike
// share the files they lie in.
type Class uint8

// The classes, in the order in which a full disk gives them up: video goes
// before telemetry, the gateway's own streams go last.
const (
	Telemetry Class = 1
	Video     Class = 2
	Own       Class = 3
)

// Stream is a snapshot of one stream. It is immutable: a change makes a new one.
type Stream struct {
	ID        StreamID
	Name      StreamName
	Class     Class
	Created   time.Time // second precision
	Retention time.Duration
	RecordKiB int     // its largest record, data and key; zero: DefaultRecordKiB, as of a stream made before it could be chosen
	Shards    []Shard // by number; open and closed, none that has expired
}

// LargestRecord is how many bytes, data and key, a record of the stream may have.
func (s *Stream) LargestRecord() int {
	if s.RecordKiB == 0 {
		return DefaultRecordKiB << 10
	}
	return s.RecordKiB << 10
}

// Shard is a snapshot of one shard.
type Shard struct {
	ID       ShardID
	Created  uint64 // Unix seconds, the high digits of its sequence numbers
	From, To Hash   // its range of the ring, both inclusive
	Parent   *uint32
	Adjacent *uint32   // the second parent of a merge
	Closed   bool      // takes no more entries
	Ended    time.Time // when it closed
	Next     Seq       // what the next record will get; 1 while empty
	Oldest   Seq       // the first record that readers may see; Next when there is none
	Kept     Seq       // the first record still on disk, pinned ones included
}

// First is where the shard's sequence numbers start.
func (s Shard) First() SequenceNumber {
	return SequenceNumber{Created: s.Created, Shard: s.ID.Number, Index: 0, Stamp: s.Created}
}

// Last is the ending sequence number of a closed shard.
func (s Shard) Last() SequenceNumber {
	return SequenceNumber{Created: s.Created, Shard: s.ID.Number, Index: maxIndex, Stamp: uint64(s.Ended.Unix())}
}

// ChildCreated is the create time, in Unix seconds, of a shard that goes on
// where parents end, when a clock says now: later than theirs and than stamp,
// the newest record's arrival. It is the high digits of sequence numbers, so
// children sort above their parents under any clock.
func ChildCreated(now, stamp time.Time, parents ...Shard) uint64 {
	created := max(now.Unix(), stamp.Unix()+1, 0)
	for _, p := range parents {
		created = max(created, int64(p.Created)+1, p.Ended.Unix()+1)
	}
	return uint64(created)
}

// Shard finds a shard by number; false when the stream has none such.
func (s Stream) Shard(number uint32) (Shard, bool) {
	for i := range s.Shards {
		if s.Shards[i].ID.Number == number {
			return s.Shards[i], true
		}
	}
	return Shard{}, false
}

// StreamSpec is what somebody who makes a stream may say.
type StreamSpec struct {
	Name      StreamName
	Shards    int           // zero: DefaultShards
	Retention time.Duration // zero: DefaultRetention
	Class     Class         // zero: Telemetry
	RecordKiB int           // the largest record; zero: DefaultRecordKiB
}

// CheckRecordKiB answers Invalid when no stream may have that for its largest record.
func CheckRecordKiB(kib int) error {
	if kib < DefaultRecordKiB || kib > MaxRecordKiB {
		return Errorf(Invalid, "set record size", "%d KiB, %d to %d are allowed", kib, DefaultRecordKiB, MaxRecordKiB)
	}
	return nil
}
