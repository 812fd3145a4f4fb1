package store_test

import (
	"bytes"
	"io"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/store"
)

// streams are one of each kind.
func streams(t testing.TB, w *writer) map[byte][]byte {
	all := map[byte][]byte{}
	write := func(what byte, do func(io.Writer) error) {
		var b bytes.Buffer
		if err := do(&b); err != nil {
			t.Fatal(err)
		}
		all[what] = b.Bytes()
	}
	write('o', func(b io.Writer) error { return w.s.WriteOffer(b, 0, 0) })
	request := []byte{1}
	extents := []byte{1}
	o, err := w.s.Offer()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Blocks(0, 0, func(k store.BlockKey, _ int) error {
		raw := k.String()
		request = append(request, unhex(raw)[1:]...)
		extents = append(extents, unhex(raw)[1:10]...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	request = append(request, bytes.Repeat([]byte{7}, 19)...) // one that is not there
	write('b', func(b io.Writer) error { return w.s.WriteBlocks(b, request) })
	write('k', func(b io.Writer) error { return w.s.WriteKeys(b, extents) })
	return all
}

func unhex(text string) []byte {
	var k store.BlockKey
	if err := k.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	b := make([]byte, len(text)/2)
	for i := range b {
		b[i] = digit(text[2*i])<<4 | digit(text[2*i+1])
	}
	return b
}

func digit(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

func few(t testing.TB) *writer {
	s, err := store.Open("data", store.Options{Disk: store.NewCrashableDisk(), Memtable: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return &writer{t: &testing.T{}, s: s, at: stamp}
}

// A stream that was cut off or changed anywhere is known as such.
func TestStreamsThatWereCutOrChanged(t *testing.T) {
	w := few(t)
	defer w.s.Close()
	steps(w, 0, 12)
	for what, stream := range streams(t, w) {
		n, err := store.Receive(bytes.NewReader(stream), what)
		if err != nil || n == 0 {
			t.Fatalf("%c: %d things, %v", what, n, err)
		}
		for i := range stream {
			if _, err := store.Receive(bytes.NewReader(stream[:i]), what); err == nil || shardlog.KindOf(err) != shardlog.Unavailable {
				t.Fatalf("%c cut at %d of %d: %v", what, i, len(stream), err)
			}
			bad := bytes.Clone(stream)
			bad[i] ^= 0x10
			if _, err := store.Receive(bytes.NewReader(bad), what); err == nil {
				t.Fatalf("%c changed at %d of %d: not noticed", what, i, len(stream))
			}
		}
	}
}

func FuzzReceive(f *testing.F) {
	w := few(f)
	steps(w, 0, 12)
	for what, stream := range streams(f, w) {
		f.Add(what, stream)
	}
	w.s.Close()
	f.Fuzz(func(t *testing.T, what byte, b []byte) {
		if _, err := store.Receive(bytes.NewReader(b), what); err != nil {
			if k := shardlog.KindOf(err); k != shardlog.Corrupt && k != shardlog.Unavailable {
				t.Fatal(err)
			}
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte{1})
	f.Add(append([]byte{1}, make([]byte, 9*19)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, extents, err := store.DecodeRequest(b)
		if err != nil {
			return
		}
		if keys != nil && !bytes.Equal(keys, b) || extents != nil && !bytes.Equal(extents, b) {
			t.Fatalf("%x became %x or %x", b, keys, extents)
		}
	})
}
