package shardlogtest

import (
	"slices"
	"strings"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
)

var controlClauses = []clause{
	{"a stream without wishes has the defaults", controlDefaults},
	{"a stream has what it was asked for", controlSpec},
	{"a new stream is in the catalog", controlVisible},
	{"streams are listed by name", controlSorted},
	{"a name is used once", controlInUse},
	{"what is not allowed is refused", controlInvalid},
	{"a deleted stream is gone", controlDelete},
	{"a name used again is another stream", controlReuse},
	{"retention can be changed", controlRetention},
	{"answers of the catalog do not change", controlSnapshots},
}

func controlDefaults(b *bench) {
	s := b.stream(0)
	if len(s.Shards) != shardlog.DefaultShards || s.Retention != shardlog.DefaultRetention || s.Class != shardlog.Telemetry {
		b.Errorf("%d shards, retention %v, class %d", len(s.Shards), s.Retention, s.Class)
	}
	if s.ID == 0 || s.Created.IsZero() || !s.Created.Equal(s.Created.Truncate(time.Second)) {
		b.Errorf("id %d, created %v", s.ID, s.Created)
	}
}

func controlSpec(b *bench) {
	spec := shardlog.StreamSpec{Name: b.name(), Shards: 7, Retention: 48 * time.Hour, Class: shardlog.Video}
	if err := b.CreateStream(b.ctx, spec); err != nil {
		b.Fatal(err)
	}
	s := b.now(spec.Name)
	if s.Name != spec.Name || len(s.Shards) != 7 || s.Retention != spec.Retention || s.Class != spec.Class {
		b.Fatalf("stream %+v", s)
	}
	for i, r := range keyspace.Even(7) {
		sh := s.Shards[i]
		if want := (shardlog.ShardID{Stream: s.ID, Number: uint32(i)}); sh.ID != want || sh.From != r.From || sh.To != r.To {
			b.Errorf("shard %d is %v from %v to %v", i, sh.ID, sh.From, sh.To)
		}
		if sh.Closed || sh.Next != 1 || sh.Oldest != 1 || sh.Kept != 1 || sh.Parent != nil || sh.Adjacent != nil {
			b.Errorf("shard %d is %+v", i, sh)
		}
		if sh.Created == 0 || sh.Created > sh.Number(1, time.Now().Add(time.Hour)).Stamp {
			b.Errorf("shard %d was created at %d", i, sh.Created)
		}
	}
}

func controlVisible(b *bench) {
	s := b.stream(1)
	if byID, ok := b.StreamByID(s.ID); !ok || byID.Name != s.Name {
		b.Errorf("by its id it is %q, %v", byID.Name, ok)
	}
	named := func(o shardlog.Stream) bool { return o.Name == s.Name }
	if !slices.ContainsFunc(b.Streams(), named) {
		b.Error("it is not listed")
	}
	if _, ok := b.Stream(b.name()); ok {
		b.Error("a stream that was never made is there")
	}
	if _, ok := b.StreamByID(0); ok {
		b.Error("stream zero is there")
	}
}

func controlSorted(b *bench) {
	prefix := string(b.name())
	for _, end := range []string{"b", "_", "a", "B", "0", "a.a", "a-a"} {
		if err := b.CreateStream(b.ctx, shardlog.StreamSpec{Name: shardlog.StreamName(prefix + end), Shards: 1}); err != nil {
			b.Fatal(err)
		}
	}
	var names []string
	for _, s := range b.Streams() {
		names = append(names, string(s.Name))
	}
	if !slices.IsSorted(names) {
		b.Errorf("%q", names)
	}
}

func controlInUse(b *bench) {
	s := b.stream(1)
	b.put(s.Name, entries("kept", 2)...)
	b.wants(b.CreateStream(b.ctx, shardlog.StreamSpec{Name: s.Name, Shards: 9}), shardlog.InUse)
	if again := b.now(s.Name); again.ID != s.ID || len(again.Shards) != 1 || again.Shards[0].Next != 3 {
		b.Errorf("it became %+v", again)
	}
}

func controlInvalid(b *bench) {
	for _, name := range []string{"", "a b", "a/b", "é", strings.Repeat("n", shardlog.MaxStreamName+1)} {
		b.wants(b.CreateStream(b.ctx, shardlog.StreamSpec{Name: shardlog.StreamName(name)}), shardlog.Invalid)
	}
	for _, spec := range []shardlog.StreamSpec{
		{Shards: -1}, {Retention: time.Hour}, {Retention: shardlog.MaxRetention + time.Hour}, {Retention: -time.Hour}, {Class: shardlog.Own + 1},
	} {
		spec.Name = b.name()
		b.wants(b.CreateStream(b.ctx, spec), shardlog.Invalid)
		if _, ok := b.Stream(spec.Name); ok {
			b.Errorf("%+v was made all the same", spec)
		}
	}
	tooMany := shardlog.StreamSpec{Name: b.name(), Shards: shardlog.MaxShardsByStream + 1}
	b.wants(b.CreateStream(b.ctx, tooMany), shardlog.LimitExceeded, shardlog.Invalid)
}

func controlDelete(b *bench) {
	s := b.stream(2)
	b.put(s.Name, entries("gone", 5)...)
	if err := b.DeleteStream(b.ctx, s.Name); err != nil {
		b.Fatal(err)
	}
	if _, ok := b.Stream(s.Name); ok {
		b.Error("its name is in the catalog")
	}
	if _, ok := b.StreamByID(s.ID); ok {
		b.Error("its id is in the catalog")
	}
	b.wants(b.DeleteStream(b.ctx, s.Name), shardlog.NotFound)
	b.wants(b.SetRetention(b.ctx, s.Name, 48*time.Hour), shardlog.NotFound)
}

func controlReuse(b *bench) {
	s := b.stream(2)
	b.put(s.Name, entries("old", 5)...)
	if err := b.DeleteStream(b.ctx, s.Name); err != nil {
		b.Fatal(err)
	}
	if err := b.CreateStream(b.ctx, shardlog.StreamSpec{Name: s.Name, Shards: 2}); err != nil {
		b.Fatal(err)
	}
	again := b.now(s.Name)
	if again.ID <= s.ID {
		b.Errorf("id %d after %d", again.ID, s.ID)
	}
	for _, sh := range again.Shards {
		if n := len(b.all(sh.ID)); n != 0 {
			b.Errorf("%v has %d records of the old stream", sh.ID, n)
		}
	}
	b.put(s.Name, entries("new", 5)...)
	_, err := b.Read(b.ctx, s.Shards[0].ID, shardlog.Cursor{}, wide)
	b.wants(err, shardlog.NotFound)
}

func controlRetention(b *bench) {
	s := b.stream(1)
	for _, d := range []time.Duration{48 * time.Hour, 48 * time.Hour, shardlog.MaxRetention, shardlog.DefaultRetention} {
		if err := b.SetRetention(b.ctx, s.Name, d); err != nil {
			b.Fatal(err)
		}
		if got := b.now(s.Name).Retention; got != d {
			b.Fatalf("retention %v, want %v", got, d)
		}
	}
	for _, d := range []time.Duration{0, -time.Hour, time.Hour, shardlog.MaxRetention + 1} {
		b.wants(b.SetRetention(b.ctx, s.Name, d), shardlog.Invalid)
	}
	b.wants(b.SetRetention(b.ctx, b.name(), 48*time.Hour), shardlog.NotFound)
}

func controlSnapshots(b *bench) {
	s := b.stream(1)
	before := b.now(s.Name)
	b.put(s.Name, entries("more", 4)...)
	if err := b.SetRetention(b.ctx, s.Name, 72*time.Hour); err != nil {
		b.Fatal(err)
	}
	if before.Shards[0].Next != 1 || before.Retention != shardlog.DefaultRetention {
		b.Errorf("an answer became %+v", before)
	}
	after := b.now(s.Name)
	if after.Shards[0].Next != 5 || after.Shards[0].Oldest != 1 {
		b.Errorf("after four records: %+v", after.Shards[0])
	}
}
