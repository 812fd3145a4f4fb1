package chunk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"headgate/ingest/chunk"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// events reads a stream to its end.
func events(r io.Reader) (frames []chunk.Frame, tracks, opened, closed int, err error) {
	s := chunk.NewStream(r)
	for {
		event, err := s.Next()
		switch {
		case errors.Is(err, io.EOF):
			return frames, tracks, opened, closed, nil
		case err != nil:
			return frames, tracks, opened, closed, err
		case event == chunk.TracksCome:
			tracks++
		case event == chunk.ClusterOpens:
			opened++
		case event == chunk.ClusterEnds:
			closed++
		case event == chunk.FrameComes:
			frames = append(frames, s.Frame)
		}
	}
}

// element is an element with an ID of that many bytes.
func element(id uint32, size []byte, body ...[]byte) []byte {
	var b []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if id>>shift != 0 {
			b = append(b, byte(id>>shift))
		}
	}
	return append(append(b, size...), bytes.Join(body, nil)...)
}

func known(id uint32, body ...[]byte) []byte {
	n := len(bytes.Join(body, nil))
	return element(id, []byte{0x10 | byte(n>>24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func unknown(id uint32, body ...[]byte) []byte { return element(id, []byte{0xff}, body...) }

const (
	cluster = 0x1F43B675
	block   = 0xA3
)

func TestStreamsReadWhatPartsWrite(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var b chunk.Builder
	b.Begin(chunk.Take{Why: chunk.First}, tracks)
	var written []byte
	var want []chunk.Frame
	count, headers := 0, 0
	for _, f := range film(r, began, 6, 700) {
		if p := b.Add(f); p != nil {
			written = p.Append(written)
			want, count = append(want, p.Frames...), count+1
			if p.Key() {
				headers++
			}
		}
	}
	for name, reader := range map[string]io.Reader{"whole": bytes.NewReader(written), "by the byte": iotest.OneByteReader(bytes.NewReader(written))} {
		frames, heads, opened, closed, err := events(reader)
		if err != nil || heads != headers || opened != count || closed != count {
			t.Errorf("%s: %d headers, %d and %d clusters of %d, %v", name, heads, opened, closed, count, err)
		}
		if !slices.EqualFunc(frames, want, func(a, b chunk.Frame) bool {
			return a.Track == b.Track && a.At == b.At && a.Key == b.Key && bytes.Equal(a.Data, b.Data)
		}) {
			t.Errorf("%s: other frames", name)
		}
	}
	_, _, _, _, err := events(bytes.NewReader(written[:len(written)-1]))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a torn stream: %v", err)
	}
}

func TestStreamsOfOthers(t *testing.T) {
	head := chunk.AppendHeader(nil, tracks)
	at := func(ticks byte) []byte { return known(0xE7, []byte{ticks}) }
	simple := func(track, rel, flags byte) []byte {
		return known(block, []byte{0x80 | track, 0, rel, flags}, []byte("data"))
	}
	group := known(0xA0, known(0xA1, []byte{0x81, 0, 7, 0}, []byte("grouped")), known(0xFB, []byte{1}))
	for _, c := range []struct {
		name   string
		bytes  []byte
		frames int
		ends   int
		kind   shardlog.Kind // 0 and no frames wanted: none
	}{
		{"clusters of unknown size", bytes.Join([][]byte{head, unknown(cluster, at(1), simple(1, 0, 0x80)), unknown(cluster, at(2), group)}, nil), 2, 2, 0},
		{"what is not known is passed over", bytes.Join([][]byte{head, known(0x1254C367, make([]byte, 100_000)), unknown(cluster, at(1), known(0xEC, make([]byte, 9)), simple(2, 0, 0)), known(0x1C53BB6B)}, nil), 1, 1, 0},
		{"a file behind a file", bytes.Join([][]byte{head, unknown(cluster, at(1), simple(1, 0, 0x80)), head, known(cluster, at(3), simple(1, 0, 0x80))}, nil), 2, 2, 0},
		{"laced", bytes.Join([][]byte{head, unknown(cluster, at(1), simple(1, 0, 0x02))}, nil), 0, 0, shardlog.Corrupt},
		{"frames before the time", bytes.Join([][]byte{head, unknown(cluster, simple(1, 0, 0))}, nil), 0, 0, shardlog.Corrupt},
		{"a cluster without a time", bytes.Join([][]byte{head, unknown(cluster), unknown(cluster)}, nil), 0, 0, shardlog.Corrupt},
		{"no Matroska", []byte("GET / HTTP/1.1\r\n\r\n"), 0, 0, shardlog.Corrupt},
		{"another EBML", known(0x1A45DFA3, known(0x4282, []byte("movie"))), 0, 0, shardlog.Corrupt},
		{"a frame of a gigabyte", bytes.Join([][]byte{head, unknown(cluster, at(1), element(block, []byte{0x08, 0x40, 0, 0, 0}))}, nil), 0, 0, shardlog.LimitExceeded},
		{"a frame longer than its cluster", bytes.Join([][]byte{head, element(cluster, []byte{0x88}, at(1), simple(1, 0, 0))}, nil), 0, 0, shardlog.Corrupt},
		{"four tracks", chunk.AppendHeader(nil, append(slices.Clone(tracks), tracks...)), 0, 0, shardlog.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			frames, _, _, ends, err := events(bytes.NewReader(c.bytes))
			if c.kind != 0 && (err == nil || shardlog.KindOf(err) != c.kind) || c.kind == 0 && err != nil {
				t.Fatal(err)
			}
			if c.kind == 0 && (len(frames) != c.frames || ends != c.ends) {
				t.Errorf("%d frames, %d clusters", len(frames), ends)
			}
		})
	}
}

func FuzzStream(f *testing.F) {
	head := chunk.AppendHeader(nil, tracks)
	f.Add(head)
	f.Add(append(slices.Clone(head), unknown(cluster, known(0xE7, []byte{1}), known(block, []byte{0x81, 0, 0, 0x80, 1, 2}))...))
	p := chunk.Part{Tracks: tracks, Take: chunk.Take{Began: 1, Why: chunk.First}, Start: 5, Frames: []chunk.Frame{{Track: 1, At: 5, Key: true, Data: []byte("x")}}}
	f.Add(p.Append(p.Append(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, _, opened, closed, err := events(bytes.NewReader(b))
		torn, _, _, _, err2 := events(iotest.OneByteReader(bytes.NewReader(b)))
		if len(whole) != len(torn) || (err == nil) != (err2 == nil) {
			t.Errorf("%d frames, %v; by the byte %d, %v", len(whole), err, len(torn), err2)
		}
		if err == nil && opened != closed {
			t.Errorf("%d clusters opened, %d closed", opened, closed)
		}
		for _, f := range whole {
			if f.At < 0 {
				t.Errorf("a frame at %d", f.At)
			}
		}
	})
}

func TestFlushWaitsForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := shardlogtest.NewMemory()
		recorder, footage := camera(t, log)
		record(t, recorder, func() {
			recorder.Begin(tracks, false)
			for _, f := range film(rand.New(rand.NewPCG(3, 4)), began, 4, 900) {
				recorder.Frame(f)
			}
			key, err := recorder.Flush(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			all := parts(t, footage)
			last := all[len(all)-1]
			if last.End() < began+3950 {
				t.Errorf("stored until %d only", last.End()-began)
			}
			if i := slices.IndexFunc(all, func(p chunk.Stored) bool { return p.Seq == key }); i < 0 || !all[i].Key() || all[i].Start != began+2000 {
				t.Errorf("the latest part with a header is not at %d", key)
			}
		})
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		recorder.Begin(tracks, false)
		recorder.Frame(chunk.Frame{Track: 1, At: began + 9000, Key: true, Data: []byte("x")})
		if _, err := recorder.Flush(late); err == nil || late.Err() != nil {
			t.Errorf("behind the end of Run: %v", err)
		}
	})
}
