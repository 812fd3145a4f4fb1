package shardlog_test

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"headgate/shardlog"
)

func TestCursorKey(t *testing.T) {
	tests := []struct {
		shard    shardlog.ShardID
		consumer string
		key      string
	}{
		{shardlog.ShardID{Stream: 1, Number: 2}, "s3", "00000001/00000002/s3"},
		{shardlog.ShardID{Stream: math.MaxUint32, Number: 0xabcdef}, "a/b/c", "ffffffff/00abcdef/a/b/c"},
		{shardlog.ShardID{}, " ", "00000000/00000000/ "},
	}
	for _, test := range tests {
		if key := shardlog.CursorKey(test.shard, test.consumer); key != test.key {
			t.Errorf("key %q, want %q", key, test.key)
		}
		if shard, consumer, err := shardlog.ParseCursorKey(test.key); err != nil || shard != test.shard || consumer != test.consumer {
			t.Errorf("%q parses as %v of %d, %q, %v", test.key, shard, shard.Stream, consumer, err)
		}
	}
	keys := []string{}
	for n := range uint32(300) {
		keys = append(keys, shardlog.CursorKey(shardlog.ShardID{Stream: shardlog.StreamID(n / 30), Number: n % 30}, "c"))
	}
	if !slices.IsSorted(keys) {
		t.Error("keys do not sort as their shards")
	}
}

func TestParseCursorKeyRefuses(t *testing.T) {
	for _, key := range []string{"", "/", "00000001/00000002", "00000001/00000002/", "0000001/00000002/ s3", "00000001-00000002/s3", "0000000g/00000002/s3"} {
		if shard, consumer, err := shardlog.ParseCursorKey(key); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%q parses as %v, %q, %v, want Invalid", key, shard, consumer, err)
		}
	}
}

func TestCursorValue(t *testing.T) {
	for _, c := range []shardlog.Cursor{{}, {Next: 1}, {Next: 127, Pinned: true}, {Next: 128}, {Next: math.MaxUint64, Pinned: true}} {
		b := shardlog.EncodeCursor(c)
		if got, err := shardlog.DecodeCursor(b); err != nil || got != c {
			t.Errorf("%+v comes back as %+v, %v", c, got, err)
		}
		for _, bad := range [][]byte{b[:len(b)-1], append(bytes.Clone(b), 0), append(bytes.Clone(b[:len(b)-1]), 2)} {
			if got, err := shardlog.DecodeCursor(bad); err == nil || shardlog.KindOf(err) != shardlog.Corrupt {
				t.Errorf("%x decodes as %+v, %v, want Corrupt", bad, got, err)
			}
		}
	}
	if _, err := shardlog.DecodeCursor(nil); err == nil {
		t.Error("nothing decodes")
	}
}
