package shardlogtest

import (
	"fmt"

	"headgate/shardlog"
)

// test is the space in which the clauses keep their state.
const test shardlog.Space = "test"

var putMutationClauses = []clause{
	{"mutations happen with the entries", putMutates},
	{"a conflict stores neither entries nor mutations", putConflicts},
	{"an entry that is not allowed keeps all from happening", putMutatesNothing},
	{"each change is expected once", putOnce},
}

func (b *bench) key(name string) string { return fmt.Sprintf("%d/%s", b.number, name) }

func (b *bench) get(key string) (string, shardlog.Version) {
	b.Helper()
	v, version, err := b.Get(b.ctx, test, key)
	if err != nil {
		b.Fatalf("get %q: %v", key, err)
	}
	if version == 0 {
		b.Fatalf("%q has a value at version zero", key)
	}
	return string(v), version
}

func (b *bench) absent(key string) {
	b.Helper()
	_, _, err := b.Get(b.ctx, test, key)
	b.wants(err, shardlog.NotFound)
}

func (b *bench) records(s shardlog.Stream) int {
	b.Helper()
	n := 0
	for _, sh := range s.Shards {
		n += len(b.all(sh.ID))
	}
	return n
}

func set(key, value string) shardlog.Mutation {
	return shardlog.Mutation{Space: test, Key: key, Value: []byte(value)}
}

func expecting(m shardlog.Mutation, e shardlog.Expect) shardlog.Mutation {
	m.Expect = e
	return m
}

func putMutates(b *bench) {
	s := b.stream(3)
	one, two := b.key("one"), b.key("two")
	results, err := b.Put(b.ctx, s.Name, entries("m", 9), expecting(set(one, "1"), shardlog.Absent()), set(two, "2"))
	if err != nil || len(results) != 9 {
		b.Fatalf("put: %d results, %v", len(results), err)
	}
	v1, at1 := b.get(one)
	v2, at2 := b.get(two)
	if v1 != "1" || v2 != "2" || at1 != at2 {
		b.Errorf("%q at %d and %q at %d, want 1 and 2 at one version", v1, at1, v2, at2)
	}
	if n := b.records(s); n != 9 {
		b.Errorf("%d records, want 9", n)
	}
}

func putConflicts(b *bench) {
	s := b.stream(3)
	taken, other := b.key("taken"), b.key("other")
	if err := b.Mutate(b.ctx, set(taken, "old")); err != nil {
		b.Fatal(err)
	}
	for _, e := range []shardlog.Expect{shardlog.Absent(), shardlog.At(1 << 40)} {
		_, err := b.Put(b.ctx, s.Name, entries("c", 9), set(other, "new"), expecting(set(taken, "new"), e))
		b.wants(err, shardlog.Conflict)
	}
	if n := b.records(s); n != 0 {
		b.Errorf("%d records, want none", n)
	}
	b.absent(other)
	if v, _ := b.get(taken); v != "old" {
		b.Errorf("the value became %q", v)
	}
	if results := b.put(s.Name, entries("d", 9)...); results[0].Number.Index != 1 {
		b.Errorf("the first record has index %d", results[0].Number.Index)
	}
}

func putMutatesNothing(b *bench) {
	s := b.stream(1)
	key := b.key("k")
	results, err := b.Put(b.ctx, s.Name, []shardlog.Entry{{Key: "good"}, {Data: []byte("no key")}}, set(key, "v"))
	if err != nil {
		b.wants(err, shardlog.Invalid)
	} else {
		for _, r := range results {
			b.wants(r.Err, shardlog.Invalid)
		}
	}
	if n := b.records(s); n != 0 {
		b.Errorf("%d records, want none", n)
	}
	b.absent(key)
}

func putOnce(b *bench) {
	s := b.stream(1)
	key := b.key("cursor")
	var version shardlog.Version
	for i := range 5 {
		next := expecting(set(key, fmt.Sprint(i)), shardlog.At(version))
		if _, err := b.Put(b.ctx, s.Name, entries(fmt.Sprint(i), 1), next); err != nil {
			b.Fatal(err)
		}
		_, err := b.Put(b.ctx, s.Name, entries(fmt.Sprint(i), 1), next)
		b.wants(err, shardlog.Conflict)
		_, later := b.get(key)
		if later <= version {
			b.Fatalf("version %d follows %d", later, version)
		}
		version = later
	}
	if n := b.records(s); n != 5 {
		b.Errorf("%d records, want 5", n)
	}
}
