package shardlogtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"headgate/shardlog"
)

var stateClauses = []clause{
	{"a value comes back", statesGet},
	{"a value that is nil deletes, an empty one does not", statesDelete},
	{"versions grow", statesVersions},
	{"absent expects no value", statesAbsent},
	{"at expects exactly that version", statesAt},
	{"all happen or none", statesAll},
	{"spaces do not touch", statesSpaces},
	{"keys are listed by prefix, in order", statesList},
	{"a list is a snapshot", statesSnapshot},
	{"bytes are not shared with the caller", statesBytes},
	{"keys and values have a limit", statesLimits},
	{"one of many wins", statesRace},
	{"a context that has ended changes nothing", statesEnded},
}

func (b *bench) mutate(m ...shardlog.Mutation) {
	b.Helper()
	if err := b.Mutate(b.ctx, m...); err != nil {
		b.Fatalf("mutate: %v", err)
	}
}

func (b *bench) list(space shardlog.Space, prefix string) string {
	var all []string
	for key, value := range b.List(b.ctx, space, prefix) {
		all = append(all, key+"="+string(value))
	}
	return strings.Join(all, " ")
}

func statesGet(b *bench) {
	key := b.key("k")
	b.absent(key)
	for _, v := range []string{"one", "two", "\x00\xff", strings.Repeat("v", 5000)} {
		b.mutate(set(key, v))
		if got, _ := b.get(key); got != v {
			b.Errorf("%q, want %q", got, v)
		}
	}
}

func statesDelete(b *bench) {
	key := b.key("k")
	b.mutate(set(key, ""))
	if got, _ := b.get(key); got != "" {
		b.Errorf("%q, want nothing", got)
	}
	if got := b.list(test, key); got != key+"=" {
		b.Errorf("list has %q", got)
	}
	for range 2 {
		b.mutate(shardlog.Mutation{Space: test, Key: key})
		b.absent(key)
	}
	if got := b.list(test, key); got != "" {
		b.Errorf("list has %q", got)
	}
}

func statesVersions(b *bench) {
	key, other := b.key("k"), b.key("other")
	var last shardlog.Version
	for i := range 6 {
		b.mutate(set(key, "same"), set(other, fmt.Sprint(i)))
		_, version := b.get(key)
		if _, v := b.get(other); v != version {
			b.Errorf("versions %d and %d of one change", version, v)
		}
		if version <= last {
			b.Errorf("version %d follows %d", version, last)
		}
		last = version
		if i%2 == 0 {
			b.mutate(shardlog.Mutation{Space: test, Key: key})
		}
	}
	b.mutate(set(b.key("somebody else"), "v"))
	b.mutate(set(key, "v"))
	_, version := b.get(key)
	b.mutate(set(b.key("somebody else"), "w"))
	if _, v := b.get(key); v != version {
		b.Errorf("version %d became %d without a change", version, v)
	}
}

func statesAbsent(b *bench) {
	key := b.key("k")
	b.mutate(expecting(set(key, "first"), shardlog.Absent()))
	b.wants(b.Mutate(b.ctx, expecting(set(key, "second"), shardlog.Absent())), shardlog.Conflict)
	if got, _ := b.get(key); got != "first" {
		b.Errorf("%q", got)
	}
	b.mutate(shardlog.Mutation{Space: test, Key: key})
	b.mutate(expecting(set(key, "third"), shardlog.Absent()))
}

func statesAt(b *bench) {
	key := b.key("k")
	b.wants(b.Mutate(b.ctx, expecting(set(key, "v"), shardlog.At(1<<40))), shardlog.Conflict)
	b.absent(key)
	b.mutate(set(key, "a"))
	_, version := b.get(key)
	b.mutate(expecting(set(key, "b"), shardlog.At(version)))
	b.wants(b.Mutate(b.ctx, expecting(set(key, "c"), shardlog.At(version))), shardlog.Conflict)
	b.wants(b.Mutate(b.ctx, expecting(shardlog.Mutation{Space: test, Key: key}, shardlog.At(version))), shardlog.Conflict)
	got, version := b.get(key)
	if got != "b" {
		b.Errorf("%q", got)
	}
	b.mutate(expecting(shardlog.Mutation{Space: test, Key: key}, shardlog.At(version)))
	b.absent(key)
}

func statesAll(b *bench) {
	held, fresh := b.key("held"), b.key("fresh")
	b.mutate(set(held, "old"))
	b.wants(b.Mutate(b.ctx,
		set(fresh, "new"),
		shardlog.Mutation{Space: test, Key: held},
		expecting(set(b.key("third"), "new"), shardlog.At(1<<40)),
	), shardlog.Conflict)
	b.absent(fresh)
	b.absent(b.key("third"))
	if got, _ := b.get(held); got != "old" {
		b.Errorf("%q", got)
	}
}

func statesSpaces(b *bench) {
	key := b.key("k")
	spaces := []shardlog.Space{"test", "tes", "test2"}
	for _, space := range spaces {
		b.mutate(shardlog.Mutation{Space: space, Key: key, Value: []byte(space)})
	}
	for _, space := range spaces {
		if got := b.list(space, key); got != key+"="+string(space) {
			b.Errorf("space %s lists %q", space, got)
		}
	}
	b.mutate(shardlog.Mutation{Space: "tes", Key: key})
	if got, _ := b.get(key); got != "test" {
		b.Errorf("%q", got)
	}
}

func statesList(b *bench) {
	keys := []string{"a", "a/1", "a/10", "a/2", "a\xff", "a\xff\xff", "ab", "b", "é"}
	var made []shardlog.Mutation
	for i := range keys {
		made = append(made, set(b.key(keys[len(keys)-1-i]), "v"))
	}
	b.mutate(made...)
	for _, prefix := range []string{"", "a", "a/", "a/1", "a\xff", "é", "c"} {
		var want, got []string
		for _, k := range keys {
			if strings.HasPrefix(k, prefix) {
				want = append(want, b.key(k))
			}
		}
		for k := range b.List(b.ctx, test, b.key(prefix)) {
			got = append(got, k)
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			b.Errorf("prefix %q lists %q, want %q", prefix, got, want)
		}
	}
	for range b.List(b.ctx, test, b.key("")) {
		break
	}
}

func statesSnapshot(b *bench) {
	for i := range 5 {
		b.mutate(set(b.key(fmt.Sprint(i)), "old"))
	}
	n := 0
	for key, value := range b.List(b.ctx, test, b.key("")) {
		if n == 0 {
			b.mutate(shardlog.Mutation{Space: test, Key: b.key("3")}, set(b.key("4"), "new"), set(b.key("5"), "new"))
		}
		if n++; string(value) != "old" {
			b.Errorf("%q is %q", key, value)
		}
	}
	if n != 5 {
		b.Errorf("%d keys, want 5", n)
	}
}

func statesBytes(b *bench) {
	key, value := b.key("k"), []byte("value")
	b.mutate(shardlog.Mutation{Space: test, Key: key, Value: value})
	clear(value)
	got, _, err := b.Get(b.ctx, test, key)
	if err != nil || string(got) != "value" {
		b.Fatalf("%q, %v", got, err)
	}
	clear(got)
	if got, _ := b.get(key); got != "value" {
		b.Errorf("%q", got)
	}
}

func statesLimits(b *bench) {
	long := b.key(strings.Repeat("k", shardlog.MaxStateKey))
	largest := strings.Repeat("v", shardlog.MaxStateValue)
	b.wants(b.Mutate(b.ctx, set(long, "v")), shardlog.Invalid)
	b.wants(b.Mutate(b.ctx, set(b.key("k"), largest+"v")), shardlog.Invalid)
	b.absent(b.key("k"))
	b.mutate(set(long[:shardlog.MaxStateKey], largest))
	if got, _ := b.get(long[:shardlog.MaxStateKey]); got != largest {
		b.Errorf("%d bytes came back", len(got))
	}
}

func statesRace(b *bench) {
	const racers, laps = 8, 15
	key := b.key("k")
	b.mutate(set(key, ""))
	var group sync.WaitGroup
	for range racers {
		group.Go(func() {
			for won := 0; won < laps; {
				value, version, err := b.Get(b.ctx, test, key)
				if err != nil {
					b.Errorf("get: %v", err)
					return
				}
				err = b.Mutate(b.ctx, expecting(set(key, string(value)+"x"), shardlog.At(version)))
				if err == nil {
					won++
				} else if shardlog.KindOf(err) != shardlog.Conflict {
					b.Errorf("mutate: %v", err)
					return
				}
			}
		})
	}
	group.Wait()
	if got, _ := b.get(key); len(got) != racers*laps {
		b.Errorf("%d changes count, %d were made", len(got), racers*laps)
	}
}

func statesEnded(b *bench) {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	b.wants(b.Mutate(ctx, set(b.key("k"), "v")), shardlog.Unavailable)
	b.absent(b.key("k"))
}
