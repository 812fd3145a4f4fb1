package mqtt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// The pure parts are tested from inside: framer, lanes, ids in the state.

var connect = []byte{0x10, 0x02, 'a', 'b'}

func TestReader(t *testing.T) {
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	large := join([]byte{0x30, 0x80, 0x01}, make([]byte, 128))
	for _, c := range []struct {
		name    string
		bytes   []byte
		packets int
		err     error
	}{
		{"one packet", connect, 1, io.EOF},
		{"part of one", connect[:3], 0, io.ErrUnexpectedEOF},
		{"part of a header", connect[:1], 0, io.ErrUnexpectedEOF},
		{"empty packets", join(connect, []byte{0xc0, 0x00, 0xc0, 0x00}), 3, io.EOF},
		{"as large as allowed", join(connect, large), 2, io.EOF},
		{"too large", join(connect, []byte{0x30, 0x81, 0x01}, make([]byte, 10)), 1, errTooLarge},
		{"no CONNECT", []byte{0x30, 0x00}, 0, errNotConnect},
		{"CONNECT too large", []byte{0x10, 0x11}, 0, errTooLarge},
		{"length of five bytes", join(connect, []byte{0x30, 0x80, 0x80, 0x80, 0x80, 0x01}), 1, errMalformed},
		{"CONNACK", join(connect, []byte{0x20, 0x00}), 1, errMalformed},
	} {
		for _, step := range []int{1, 3, len(c.bytes)} {
			got, err := cut(c.bytes, step, 16, 128)
			if len(got) != c.packets || !errors.Is(err, c.err) {
				t.Errorf("%s by %d: %d packets, %v", c.name, step, len(got), err)
			}
		}
	}
}

// cut reads packets out of a stream that comes in steps of n bytes.
func cut(b []byte, n, first, limit int) (all [][]byte, err error) {
	r := reader{source: &steps{b, n}, first: first, limit: limit}
	var l lent
	defer r.close(&l)
	for {
		kind, body, err := r.next(&l)
		if err != nil {
			return all, err
		}
		all = append(all, append([]byte{kind}, body...))
	}
}

// steps is a stream of which each Read gives at most n bytes.
type steps struct {
	left []byte
	n    int
}

func (s *steps) Read(b []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.left[:min(max(1, s.n), len(s.left))])
	s.left = s.left[n:]
	return n, nil
}

func TestReaderHoldsLittle(t *testing.T) {
	// What was announced is not made before it has come, and a buffer goes back
	// when the device falls silent.
	body := make([]byte, 200<<10)
	stream := bytes.Join([][]byte{connect, {0x30, 0x80, 0xc0, 0x0c}, body, {0xc0, 0x00}}, nil)
	r := reader{source: &steps{stream, 1 << 20}, first: 16, limit: 1 << 20}
	var l lent
	for i, size := range []int{2, len(body), 0} {
		_, got, err := r.next(&l)
		if err != nil || len(got) != size {
			t.Fatalf("packet %d: %d bytes, %v", i, len(got), err)
		}
	}
	if _, _, err := r.next(&l); !errors.Is(err, io.EOF) || r.many != nil {
		t.Errorf("at the end %v, buffer kept %v", err, r.many != nil)
	}
	r = reader{source: &steps{append(slices.Clone(connect), 0x30, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3), 99}, first: 16, limit: 1 << 28}
	r.next(&l)
	var m, after runtime.MemStats
	runtime.ReadMemStats(&m)
	if _, _, err := r.next(&l); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if made := after.TotalAlloc - m.TotalAlloc; made > 1<<20 {
		t.Errorf("%d bytes were made for a packet of 256 MiB that did not come", made)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(append(slices.Clone(connect), 0x30, 0x03, 1, 2, 3, 0xc0, 0x00), 2)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		// However the bytes come, the same packets are read.
		whole, err := cut(b, len(b), 64, 300)
		parts, cutErr := cut(b, n%64, 64, 300)
		if !slices.EqualFunc(whole, parts, bytes.Equal) || err.Error() != cutErr.Error() {
			t.Fatalf("whole: %d packets, %v; by %d: %d packets, %v", len(whole), err, n, len(parts), cutErr)
		}
	})
}

func TestMeta(t *testing.T) {
	for _, m := range []Meta{
		{},
		{Topic: "a/b", QoS: 2, Retain: true, Dup: true},
		{Topic: "a", Client: "dev", Will: true, Text: true, ContentType: "c", ResponseTopic: "r", Correlation: []byte{0, 1},
			User: []Property{{Name: "a", Value: "b"}, {}, {Name: "a", Value: "c"}}},
		{Topic: "a", RecordOnly: true, Expiry: 7},
	} {
		got, err := DecodeMeta(m.Append(nil))
		if err != nil || fmt.Sprint(got) != fmt.Sprint(m) {
			t.Errorf("%+v became %+v, %v", m, got, err)
		}
	}
	if n := len(Meta{Topic: "site/7/temp", QoS: 1}.Append(nil)); n != 14 {
		t.Errorf("a plain message has %d bytes of meta", n)
	}
	later := append(Meta{Topic: "a"}.Append(nil), 99, 2, 'x', 'y')
	if m, err := DecodeMeta(later); err != nil || m.Topic != "a" {
		t.Errorf("with a field of a later version: %+v, %v", m, err)
	}
	for _, b := range [][]byte{nil, {3}, {0x40}, {0, 1}, {0, 1, 5, 'a'}, {0, 6, 1, 9}, {0, 1, 0xff}} {
		if _, err := DecodeMeta(b); err == nil || shardlog.KindOf(err) != shardlog.Corrupt {
			t.Errorf("%x: %v", b, err)
		}
	}
}

func FuzzMeta(f *testing.F) {
	f.Add(Meta{Topic: "a/b", Client: "c", User: []Property{{Name: "k", Value: "v"}}}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMeta(b)
		if err != nil {
			return
		}
		if back, err := DecodeMeta(m.Append(nil)); err != nil || fmt.Sprint(back) != fmt.Sprint(m) {
			t.Errorf("%+v became %+v, %v", m, back, err)
		}
	})
}

func FuzzPacketID(f *testing.F) {
	f.Add(encodeID(newToken(), time.Unix(1, 0)), "dev/00ff")
	f.Fuzz(func(t *testing.T, b []byte, key string) {
		if token, at, err := decodeID(b); err == nil {
			if t2, at2, err := decodeID(encodeID(token, at)); err != nil || t2 != token || !at2.Equal(at) {
				t.Errorf("%x: %v", b, err)
			}
		}
		if len(key) >= 5 {
			client := key[:len(key)-5]
			if id, ok := parseID(client, client+"/"+key[len(key)-4:]); ok {
				if back, ok := parseID(client, idKey(client, id)); !ok || back != id {
					t.Errorf("%q: %d", key, back)
				}
			}
		}
	})
}

func TestSweep(t *testing.T) {
	log := shardlogtest.NewMemory()
	now := time.Now()
	put := func(key string, at time.Time) {
		value := encodeID(newToken(), at)
		if key == "broken/0001" {
			value = []byte{9}
		}
		if err := log.Mutate(t.Context(), shardlog.Mutation{Space: qos2, Key: key, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	put("old/0001", now.Add(-8*24*time.Hour))
	put("used/0001", now.Add(-8*24*time.Hour))
	put("young/0001", now.Add(-6*24*time.Hour))
	put("broken/0001", now)
	ss := &sessions{states: log, byClient: map[string]*session{"used": {}}}
	if err := ss.sweep(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for key := range log.List(t.Context(), qos2, "") {
		keys = append(keys, key)
	}
	if !slices.Equal(keys, []string{"used/0001", "young/0001"}) {
		t.Errorf("left %q", keys)
	}
}

func TestLanesTakeTurns(t *testing.T) {
	ls := lanes{byKey: map[string]*lane{}}
	for range 3 * putEntries {
		ls.add(&message{entry: shardlog.Entry{Key: "flood"}})
	}
	ls.add(&message{entry: shardlog.Entry{Key: "one"}})
	batch := ls.take(modePlain, nil)
	count := map[string]int{}
	for _, m := range batch {
		count[m.entry.Key]++
	}
	if count["flood"] != putQuantum || count["one"] != 1 {
		t.Errorf("a Put holds %v", count)
	}
}

func TestLanesBoundBytes(t *testing.T) {
	ls := lanes{byKey: map[string]*lane{}}
	for i := range 8 {
		ls.add(&message{entry: shardlog.Entry{Key: fmt.Sprint(i % 2), Data: make([]byte, 400<<10)}})
	}
	ls.add(&message{entry: shardlog.Entry{Key: "huge", Data: make([]byte, 1<<20)}})
	for round := range 6 {
		batch := ls.take(modePlain, nil)
		total := 0
		for _, m := range batch {
			total += m.size()
		}
		if len(batch) == 0 || total > putBytes && len(batch) > 1 {
			t.Fatalf("round %d: %d messages of %d bytes", round, len(batch), total)
		}
		ls.back(batch, time.Now())
		if len(ls.byKey) == 0 {
			return
		}
	}
	t.Errorf("%d lanes left", len(ls.byKey))
}

// TestLanesKeepOrder drives lanes at random: whatever is tried again, held or
// of which mode, each key's messages are settled in order and none twice.
func TestLanesKeepOrder(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		ls := lanes{byKey: map[string]*lane{}}
		now := time.Unix(1000, 0)
		added, settled := map[string]uint16{}, map[string]uint16{}
		var inPut [2][]*message
		for step := range 3000 {
			switch mode := random.IntN(2); {
			case step < 2000 && random.IntN(3) > 0:
				key := fmt.Sprint(random.IntN(5))
				ls.add(&message{entry: shardlog.Entry{Key: key}, id: added[key], qos: byte(random.IntN(3))})
				added[key]++
			case inPut[mode] == nil:
				ls.due(now)
				inPut[mode] = ls.take(mode, nil)
			default:
				for _, m := range inPut[mode] {
					if m.lane.stop || random.IntN(10) == 0 {
						m.again, m.lane.stop = true, true
						m.lane.until = now.Add(time.Duration(random.IntN(3)) * time.Second)
						continue
					}
					if m.id != settled[m.entry.Key] {
						t.Fatalf("seed %d: key %s settles %d, want %d", seed, m.entry.Key, m.id, settled[m.entry.Key])
					}
					settled[m.entry.Key]++
				}
				ls.back(inPut[mode], now)
				inPut[mode] = nil
				now = now.Add(time.Second)
			}
		}
		for key := range added {
			if settled[key] == 0 {
				t.Errorf("seed %d: key %s starves", seed, key)
			}
		}
	}
}
