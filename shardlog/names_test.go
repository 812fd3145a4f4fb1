package shardlog_test

import (
	"strings"
	"testing"

	"headgate/shardlog"
)

func TestStreamNameCheck(t *testing.T) {
	long := strings.Repeat("n", shardlog.MaxStreamName)
	for _, name := range []string{"a", "telemetry", "A.b_c-9", "_gaps", ".", "-", long} {
		if err := shardlog.StreamName(name).Check(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", long + "n", "a b", "a/b", "a:b", "é", "a\x00", "a\n", "日本"} {
		if err := shardlog.StreamName(name).Check(); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%q: %v, want Invalid", name, err)
		}
	}
}

func TestStreamNameOwn(t *testing.T) {
	for name, want := range map[shardlog.StreamName]bool{"_gaps": true, "_": true, "gaps": false, "": false, "a_": false} {
		if name.Own() != want {
			t.Errorf("%q is the gateway's own: %v", name, name.Own())
		}
	}
}

func TestShardIDIsWrittenAsKinesisDoes(t *testing.T) {
	for number, want := range map[uint32]string{0: "shardId-000000000000", 42: "shardId-000000000042", 4294967295: "shardId-004294967295"} {
		if got := (shardlog.ShardID{Stream: 9, Number: number}).String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestStreamShard(t *testing.T) {
	s := shardlog.Stream{Shards: []shardlog.Shard{{ID: shardlog.ShardID{Stream: 1, Number: 3}}, {ID: shardlog.ShardID{Stream: 1, Number: 7}}}}
	if sh, ok := s.Shard(7); !ok || sh.ID.Number != 7 {
		t.Errorf("shard %v, %v", sh.ID, ok)
	}
	if _, ok := s.Shard(0); ok {
		t.Error("a shard that expired is there")
	}
}
