package videoapi

import (
	"bytes"
	"testing"

	"headgate/ingest/chunk"
)

func TestKeyFramesGetTheirSets(t *testing.T) {
	avc := chunk.Track{Codec: chunk.H264, Private: []byte{1, 66, 0, 30, 0xff, 0xe1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 3}}
	hevc := chunk.Track{Codec: chunk.H265, Private: append(append(make([]byte, 21), 0x0f, 2), 33, 0, 1, 0, 3, 0x42, 1, 9, 34, 0, 1, 0, 2, 0x44, 1)}
	idr, hidr := []byte{0, 0, 0, 2, 0x65, 9}, []byte{0, 0, 0, 3, 0x26, 1, 9}
	for name, c := range map[string]struct {
		track       chunk.Track
		frame, want []byte
	}{
		"H.264":                    {avc, idr, append([]byte{0, 0, 0, 3, 0x67, 1, 2, 0, 0, 0, 2, 0x68, 3}, idr...)},
		"H.264 with":               {avc, append([]byte{0, 0, 0, 2, 0x67, 7}, idr...), nil},
		"H.264, longer than it is": {avc, []byte{0, 0, 1, 0, 0x65, 9, 9}, nil},
		"H.265":                    {hevc, hidr, append([]byte{0, 0, 0, 3, 0x42, 1, 9, 0, 0, 0, 2, 0x44, 1}, hidr...)},
		"H.265 with":               {hevc, append([]byte{0, 0, 0, 3, 0x42, 1, 7}, hidr...), nil},
		"cut short":                {chunk.Track{Codec: chunk.H264, Private: avc.Private[:12]}, idr, nil},
		"VP8":                      {chunk.Track{Codec: chunk.VP8}, idr, nil},
	} {
		if c.want == nil {
			c.want = c.frame
		}
		if got := setsOf(c.track).in(c.frame); !bytes.Equal(got, c.want) {
			t.Errorf("%s: %x, want %x", name, got, c.want)
		}
	}
}

func FuzzSets(f *testing.F) {
	f.Add([]byte{1, 66, 0, 30, 0xff, 0xe1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 3}, []byte{0, 0, 0, 2, 0x65, 9})
	f.Fuzz(func(t *testing.T, private, frame []byte) {
		for _, codec := range []chunk.Codec{chunk.H264, chunk.H265} {
			if got := setsOf(chunk.Track{Codec: codec, Private: private}).in(frame); !bytes.HasSuffix(got, frame) {
				t.Errorf("%x became %x", frame, got)
			}
		}
	})
}
