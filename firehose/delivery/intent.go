package delivery

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Space holds what deliveries have sealed: key stateKey, value a JSON
// shardState; beside it, per delivery, a JSON specState under specKey and JSON
// orders under controlKey.
const Space shardlog.Space = "delivery"

// consumer is the name of a delivery's cursor in the space Cursors.
func consumer(delivery string) string { return "delivery/" + delivery }

func stateKey(delivery string, shard shardlog.ShardID) string {
	return fmt.Sprintf("%s/%08x/%08x", delivery, uint32(shard.Stream), shard.Number)
}

func specKey(delivery string) string { return delivery + "/spec" }

// parseStateKey takes a stateKey apart; false for other keys.
func parseStateKey(key string) (delivery string, shard shardlog.ShardID, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 3 {
		return "", shard, false
	}
	stream, err1 := strconv.ParseUint(parts[1], 16, 32)
	number, err2 := strconv.ParseUint(parts[2], 16, 32)
	shard = shardlog.ShardID{Stream: shardlog.StreamID(stream), Number: uint32(number)}
	return parts[0], shard, err1 == nil && err2 == nil && stateKey(parts[0], shard) == key
}

// shardState is all that a delivery knows durably of one shard. Next is the
// place after the last finished batch and equals the shard's cursor; Intents
// are the sealed batches that follow it, in order. What lies behind the last
// of them is not sealed.
type shardState struct {
	Next    shardlog.Seq `json:"next"`
	Intents []intent     `json:"intents,omitempty"`
	Ahead   []span       `json:"ahead,omitempty"` // finished beyond Next, newest first; in order, apart
	Totals  Totals       `json:"totals"`
}

// after is the first record that no intent covers.
func (s shardState) after() shardlog.Seq {
	if n := len(s.Intents); n > 0 {
		return s.Intents[n-1].Last + 1
	}
	return s.Next
}

// Totals counts what finished batches came to.
type Totals struct {
	Objects  uint64 `json:"objects"`
	Records  uint64 `json:"records"`
	Bytes    uint64 `json:"bytes"`              // uncompressed
	Refused  uint64 `json:"refused,omitempty"`  // records that went to the error output
	Missing  uint64 `json:"missing,omitempty"`  // records that the log had given up
	Filtered uint64 `json:"filtered,omitempty"` // records of which the transform made nothing
	Dropped  uint64 `json:"dropped,omitempty"`  // records that waited too long and went nowhere
}

func (t *Totals) add(o Totals) {
	t.Objects += o.Objects
	t.Records += o.Records
	t.Bytes += o.Bytes
	t.Refused += o.Refused
	t.Missing += o.Missing
	t.Filtered += o.Filtered
	t.Dropped += o.Dropped
}

// intent is a sealed batch. Everything that makes its objects what they are
// is in here, so that any process builds the same ones.
type intent struct {
	From      shardlog.Seq    `json:"from"`  // the range is From to Last, each record of it in here or missing
	First     shardlog.Seq    `json:"first"` // the first record that still exists; zero: none does
	Last      shardlog.Seq    `json:"last"`
	Oldest    int64           `json:"oldest"` // arrival, Unix milliseconds
	Newest    int64           `json:"newest"`
	Missing   uint64          `json:"missing,omitempty"`
	Filtered  uint64          `json:"filtered,omitempty"`  // records of which the transform made nothing
	Transform string          `json:"transform,omitempty"` // digest of the transform; empty: none
	Version   int             `json:"version"`
	Format    firehose.Format `json:"format"`
	Data      part            `json:"data,omitzero"`
	Parts     []part          `json:"parts,omitempty"` // the objects of partitions, instead of Data
	Errors    part            `json:"errors,omitzero"`
	Refused   []refusal       `json:"refused,omitempty"`   // by Seq
	Dropped   uint64          `json:"dropped,omitempty"`   // records that waited too long, to nowhere
	Stale     int64           `json:"stale,omitempty"`     // arrival before which they had, Unix milliseconds; zero: none is left out
	Abandoned *refusal        `json:"abandoned,omitempty"` // why all others go to the error output too; nil: they do not
}

// part is one object of an intent. Count is zero when there is none.
type part struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Count     int    `json:"count"`
	Bytes     int64  `json:"bytes"`
	SHA256    digest `json:"sha256"`
	Partition string `json:"partition,omitempty"` // of the records in it; empty: it holds all
}

// digest is a SHA-256, written in hex.
type digest [32]byte

// MarshalText writes hex.
func (d digest) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(d[:])), nil }

// UnmarshalText reads hex.
func (d *digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return shardlog.Errorf(shardlog.Corrupt, "decode intent", "digest %q", text)
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// totals is what the intent comes to when it is finished.
func (in intent) totals() Totals {
	t := Totals{Missing: in.Missing, Filtered: in.Filtered, Dropped: in.Dropped, Refused: uint64(in.Errors.Count)}
	for _, p := range in.parts() {
		if p.Count > 0 {
			t.Objects++
		}
		t.Records += uint64(p.Count)
		t.Bytes += uint64(p.Bytes)
	}
	if in.Errors.Count > 0 {
		t.Objects++
	}
	return t
}

func (in intent) oldest() time.Time { return time.UnixMilli(in.Oldest).UTC() }
func (in intent) newest() time.Time { return time.UnixMilli(in.Newest).UTC() }

// refused finds the refusal of a record.
func (in intent) refused(seq shardlog.Seq) (refusal, bool) {
	for _, r := range in.Refused {
		if r.Seq == seq {
			return r, true
		}
	}
	if in.Abandoned != nil {
		return *in.Abandoned, true
	}
	return refusal{}, false
}

func encodeState(s shardState) ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode delivery state: %w", err)
	}
	return b, nil
}

func decodeState(b []byte) (shardState, error) {
	var s shardState
	if err := json.Unmarshal(b, &s); err != nil {
		return shardState{}, shardlog.Errorf(shardlog.Corrupt, "decode delivery state", "%w", err)
	}
	return s, nil
}
