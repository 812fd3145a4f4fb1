package chunk_test

import (
	"slices"
	"testing"

	"headgate/ingest/chunk"
)

// TestSoundAheadOfPictures by as much as an encoder that looks ahead takes: the
// parts are as many as otherwise, and each frame is in one where it can be told
// when it was.
func TestSoundAheadOfPictures(t *testing.T) {
	for _, ahead := range []int64{0, 200, 700, 2000} {
		b := chunk.Builder{}
		parts := []*chunk.Part{b.Begin(chunk.Take{Why: chunk.First}, tracks)}
		frames := 0
		for ms := int64(0); ms < 20_000; ms += 20 {
			if at := ms - ahead; at >= 0 && at%40 == 0 {
				parts = append(parts, b.Add(chunk.Frame{Track: chunk.VideoTrack, At: began + at, Key: at%2000 == 0, Data: []byte{1}}))
				frames++
			}
			parts = append(parts, b.Add(chunk.Frame{Track: chunk.AudioTrack, At: began + ms, Key: true, Data: []byte{2}}))
			if ms >= ahead {
				frames++
			}
		}
		parts = slices.DeleteFunc(append(parts, b.Close()), func(p *chunk.Part) bool { return p == nil })
		if len(parts) > 20_000/400+5 {
			t.Errorf("%d ms ahead: %d parts", ahead, len(parts))
		}
		last := int64(0)
		for _, p := range parts {
			if p.Start <= last {
				t.Errorf("%d ms ahead: part at %d behind %d", ahead, p.Start, last)
			}
			last = p.Start
			frames -= len(p.Frames)
			opened, _, err := chunk.Open(p.Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range opened.Frames {
				if f.At != p.Frames[i].At {
					t.Fatalf("%d ms ahead: frame at %d read at %d", ahead, p.Frames[i].At, f.At)
				}
			}
		}
		if frames < -1 || frames > 1 {
			t.Errorf("%d ms ahead: %d frames are missing", ahead, frames)
		}
	}
}
