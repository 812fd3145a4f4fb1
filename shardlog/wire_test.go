package shardlog_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"
	"time"

	"headgate/shardlog"
)

func everyCommand() []shardlog.Command {
	at := time.UnixMilli(1_764_000_000_123).UTC()
	return []shardlog.Command{
		shardlog.Append{At: at, Bucket: 7,
			Bundles: []shardlog.Bundle{
				{ID: shardlog.BundleID{Gateway: 1, Incarnation: 2, Number: 3}, Places: []uint32{0, 1, 0, shardlog.NoPlace}},
				{ID: shardlog.BundleID{Gateway: 1, Incarnation: 2, Number: 2}, Places: []uint32{1}},
				{ID: shardlog.BundleID{Gateway: 9, Incarnation: 8, Number: 7}, Settled: 5, From: 9, Places: []uint32{2, 2, 2, 2, 2, 2}},
				{ID: shardlog.BundleID{Gateway: 9, Incarnation: 8, Number: 9}, Settled: 5},
			},
			Blocks: []shardlog.SealedBlock{
				{Stream: 1, Class: shardlog.Telemetry, Bytes: []byte("first")},
				{Stream: 2, Class: shardlog.Video, Bytes: []byte("second")},
			},
			Mutations: []shardlog.Mutation{
				{Space: "s", Key: "k", Value: []byte{1}, Expect: shardlog.Absent()},
				{Space: "s", Key: "gone"},
				{Space: "s", Key: "empty", Value: []byte{}, Expect: shardlog.At(5)},
			}},
		shardlog.CreateStream{At: at, Spec: shardlog.StreamSpec{Name: "a", Shards: 4, Retention: time.Hour, Class: shardlog.Own}},
		shardlog.CreateStream{At: at, Spec: shardlog.StreamSpec{Name: "large", Shards: 1, Retention: time.Hour, Class: shardlog.Telemetry, RecordKiB: 10240}},
		shardlog.DeleteStream{At: at, Name: "b"},
		shardlog.SetRecordSize{At: at, Name: "b", KiB: 2048},
		shardlog.SetRetention{At: at, Name: "b", Retention: 48 * time.Hour},
		shardlog.SplitShard{At: at, Shard: shardlog.ShardID{Stream: 7, Number: 3}, Start: shardlog.Hash{Hi: 1 << 63, Lo: 9}},
		shardlog.MergeShards{At: at, Shard: shardlog.ShardID{Stream: 7, Number: 4}, Adjacent: shardlog.ShardID{Stream: 7, Number: 5}},
		shardlog.Trim{At: at, Stream: 3, Horizon: at, Through: 4, Reason: shardlog.OverBudget},
		shardlog.Trim{At: at, Stream: 3},
		shardlog.Mutate{At: at, Mutations: []shardlog.Mutation{{Space: "x", Key: "y", Value: []byte("z")}}},
		shardlog.Concede{At: at, Gaps: []shardlog.Gap{{Stream: "a", Shard: shardlog.ShardID{Stream: 3}, Records: 5, Bytes: 600, Reason: shardlog.SpoolFull, At: at}},
			Mutations: []shardlog.Mutation{{Space: "x", Key: "once", Value: []byte{1}, Expect: shardlog.Absent()}}},
		shardlog.Append{At: at, Bucket: 8, Blocks: []shardlog.SealedBlock{{Stream: 1, Class: shardlog.Telemetry, Bytes: []byte("third")}}},
	}
}

func TestCommandsSurviveTheWire(t *testing.T) {
	want := everyCommand()
	data := shardlog.EncodeCommands(nil, want)
	got, err := shardlog.DecodeCommands(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got\n%#v\nwant\n%#v", got, want)
	}
}

// TestVersionOneIsRead holds the reader against bytes that the release before
// peers has written.
func TestVersionOneIsRead(t *testing.T) {
	data, err := hex.DecodeString("014e01010107050201f6a1bfe9d6660702000000000000000100000000000000020304000102010000" +
		"000000000000090000000000000008070601030601010173016b0100010103f6a1bfe9d66601626669727374")
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(1_764_000_000_123).UTC()
	want := []shardlog.Command{
		shardlog.Append{At: at, Bucket: 7,
			Bundles: []shardlog.Bundle{
				{ID: shardlog.BundleID{Gateway: 1, Incarnation: 2, Number: 3}, Settled: 3, Places: []uint32{0, 1, 0, shardlog.NoPlace}},
				{ID: shardlog.BundleID{Gateway: 9, Incarnation: 8, Number: 7}, Settled: 7, Places: []uint32{2, 2, 2, 2, 2, 2}},
			},
			Blocks:    []shardlog.SealedBlock{{Stream: 1, Class: shardlog.Telemetry, Bytes: []byte("first")}},
			Mutations: []shardlog.Mutation{{Space: "s", Key: "k", Value: []byte{1}, Expect: shardlog.Absent()}}},
		shardlog.DeleteStream{At: at, Name: "b"},
	}
	got, err := shardlog.DecodeCommands(data)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v, got\n%#v\nwant\n%#v", err, got, want)
	}
}

func TestSplitCommandsIsTheWireFormInPieces(t *testing.T) {
	data := shardlog.EncodeCommands(nil, everyCommand())
	head, blocks, err := shardlog.SplitCommands(data)
	if err != nil {
		t.Fatal(err)
	}
	again := bytes.Clone(head)
	for _, b := range blocks {
		again = append(again, b.Bytes...)
	}
	if !bytes.Equal(again, data) {
		t.Fatal("head and blocks are not the wire form")
	}
	places, sizes, err := shardlog.SplitHead(head)
	if err != nil || len(places) != 3 || sizes[2] != len("third") || places[1].Class != shardlog.Video || places[2].Bucket != 8 {
		t.Fatalf("places %v sizes %v: %v", places, sizes, err)
	}
}

func FuzzDecodeCommands(f *testing.F) {
	f.Add(shardlog.EncodeCommands(nil, everyCommand()))
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		commands, err := shardlog.DecodeCommands(data)
		if err != nil {
			if shardlog.KindOf(err) != shardlog.Corrupt {
				t.Fatalf("kind %v", shardlog.KindOf(err))
			}
			return
		}
		again, err := shardlog.DecodeCommands(shardlog.EncodeCommands(nil, commands))
		if err != nil || !reflect.DeepEqual(again, commands) {
			t.Fatalf("decoded commands do not survive: %v", err)
		}
	})
}
