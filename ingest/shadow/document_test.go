package shadow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// value makes a random value; patch: nulls are among them.
func value(r *rand.Rand, levels int, patch bool) any {
	switch n := r.IntN(9); {
	case n < 4 && levels > 0:
		o := object{}
		for range r.IntN(4) {
			o[string(rune('a'+r.IntN(4)))] = value(r, levels-1, patch)
		}
		return o
	case n == 4 && levels > 0:
		return []any{value(r, levels-1, false), json.Number("2")}
	case n == 5 && patch:
		return nil
	case n == 6:
		return r.IntN(2) == 0
	case n == 7:
		return fmt.Sprint("s", r.IntN(3))
	}
	return json.Number([]string{"1", "1.0", "10e-1", "-0", "0", "2"}[r.IntN(6)])
}

func randomObject(r *rand.Rand, patch bool) object {
	for {
		if o, ok := value(r, 4, patch).(object); ok {
			return o
		}
	}
}

// TestLawsOfDocuments holds the laws of merge and beyond against random states.
func TestLawsOfDocuments(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	for range 20_000 {
		desired := section{}.merge(randomObject(r, false), "1")
		reported := section{}.merge(randomObject(r, false), "2")
		before := string(encode(reported.state))
		delta := desired.beyond(reported.state)
		done := reported.merge(delta.state, "3")
		if left := desired.beyond(done.state); len(left.state) > 0 {
			t.Fatalf("seed %d: %s reported by who has %s leaves %s", seed, encode(delta.state), before, encode(left.state))
		}
		if !delta.whole() || !done.whole() {
			t.Fatalf("seed %d: times are not those of %s", seed, encode(done.state))
		}
		if rest := delta.beyond(desired.state); len(rest.state) > 0 {
			t.Fatalf("seed %d: the delta %s is not what is desired: %s", seed, encode(delta.state), encode(desired.state))
		}
		if d := desired.beyond(desired.state); len(d.state) > 0 {
			t.Fatalf("seed %d: a difference to itself: %s", seed, encode(d.state))
		}
		patch := randomObject(r, true)
		once := desired.merge(patch, "4")
		twice := once.merge(patch, "4")
		if !reflect.DeepEqual(once, twice) || !once.whole() {
			t.Fatalf("seed %d: merging %s again makes of %s: %s", seed, encode(patch), encode(once.state), encode(twice.state))
		}
		if after := string(encode(reported.state)); after != before {
			t.Fatalf("seed %d: a section changed: %s, %s", seed, before, after)
		}
		stored := row{version: 3, at: "4", desired: once, reported: reported}
		read, err := decodeRow(stored.encode())
		if err != nil || !reflect.DeepEqual(read.document(true), stored.document(true)) {
			t.Fatalf("seed %d: %v: stored %s, read %s", seed, err, encode(stored.document(true)), encode(read.document(true)))
		}
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`1`, `1.0`, true}, {`100`, `1E+2`, true}, {`-0`, `0.00`, true}, {`0.1`, `1e-1`, true}, {`1`, `2`, false}, {`1`, `-1`, false}, {`1e999999999999`, `1e999999999999`, true},
		{`1e999999999999`, `1e999999999998`, false}, {`10`, `1`, false}, {`"1"`, `1`, false}, {`null`, `false`, false}, {`[1,[2.0]]`, `[1.0,[2]]`, true}, {`[1]`, `[1,1]`, false},
		{`[]`, `{}`, false}, {`1`, `[]`, false}, {`{"a":1}`, `{"a":1.0}`, true}, {`{"a":1}`, `{"b":1}`, false}, {`{"a":null}`, `{"b":null}`, false},
	} {
		both, err := parse([]byte(`{"a":`+c.a+`,"b":`+c.b+`}`), 5)
		if err != nil || equal(both["a"], both["b"]) != c.want || equal(both["b"], both["a"]) != c.want {
			t.Errorf("%s and %s: want %v, %v", c.a, c.b, c.want, err)
		}
	}
}

// FuzzEqual holds the comparison of numbers against math/big.
func FuzzEqual(f *testing.F) {
	for _, n := range []string{"0", "-0.0", "1", "1.0", "10e-1", "123.4500e+3", "123450", "1e99", "0e5"} {
		f.Add(n, "1")
		f.Add("1", n)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !json.Valid([]byte(a)) || !json.Valid([]byte(b)) || len(a)+len(b) > 60 {
			return
		}
		for _, n := range []string{a, b} {
			if i := bytes.IndexAny([]byte(n), "eE"); i >= 0 && len(n)-i > 4 {
				return // math/big would write it out
			}
		}
		x, ok := new(big.Rat).SetString(a)
		y, also := new(big.Rat).SetString(b)
		if !ok || !also || bytes.ContainsAny([]byte(a+b), " \t\r\n\"") {
			return
		}
		if got := equal(json.Number(a), json.Number(b)); got != (x.Cmp(y) == 0) {
			t.Errorf("%s and %s: %v", a, b, got)
		}
	})
}

// FuzzUpdate makes whatever comes of two updates, and reads what it made.
func FuzzUpdate(f *testing.F) {
	for _, s := range []string{`{"state":{"desired":{"a":{"b":[1,null,{"c":1.0}]}}}}`, `{"state":{"reported":{"a":null,"b":{"c":null}},"desired":null},"version":1,"clientToken":"t"}`, `{"state":{"desired":{"":"\u2028"}}}`, `{"state":{}}`} {
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		now := row{}
		for _, payload := range [][]byte{first, second} {
			r, err := parseUpdate(ID{Thing: "t"}, payload)
			if err != nil {
				if rejection(err) == nil {
					t.Fatal(err)
				}
				continue
			}
			next, err := r.apply(now, "5")
			if err != nil {
				continue
			}
			for _, a := range r.announce(now, next, sealed(accepted(r, next), next.at, r.token)) {
				if !json.Valid(a.Payload) {
					t.Fatalf("%s is announced: %s", a.Topic, a.Payload)
				}
			}
			stored := next.encode()
			read, err := decodeRow(stored)
			if err != nil || !bytes.Equal(read.encode(), stored) || len(stored) > 64<<10 {
				t.Fatalf("%v: %s", err, stored)
			}
			now = read
		}
	})
}

// FuzzRow reads rows of any bytes.
func FuzzRow(f *testing.F) {
	f.Add(row{version: 1, at: "5", deleted: true}.encode())
	f.Add(row{version: 2, at: "5", desired: section{}.merge(object{"a": object{"b": json.Number("1")}}, "4")}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRow(b)
		if err != nil {
			return
		}
		again, err := decodeRow(r.encode())
		if err != nil || !bytes.Equal(encode(again.document(true)), encode(r.document(true))) {
			t.Fatalf("%v: %q", err, b)
		}
	})
}

// FuzzTopic takes topics apart and puts them together.
func FuzzTopic(f *testing.F) {
	f.Add("$aws/things/a/shadow/get")
	f.Add("$aws/things/a/shadow/name/b/update/accepted")
	f.Fuzz(func(t *testing.T, topic string) {
		id, what, ok := parseTopic(topic)
		if ok && id.topic()+"/"+what != topic {
			t.Errorf("%q: %+v %q", topic, id, what)
		}
		if ok && id.check() == nil && idOf(id.key()) != id {
			t.Errorf("%q: key %q", topic, id.key())
		}
	})
}
