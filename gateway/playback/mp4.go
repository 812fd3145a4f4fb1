package playback

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/g711"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/pmp4"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// clipMP4 answers a clip as MP4, its index in front.
func (p *Player) clipMP4(a *ask) error {
	c, err := p.plan(a)
	if err != nil {
		return err
	}
	file, err := p.mp4(a.r.Context(), a.footage, c)
	if err != nil {
		return err
	}
	a.attach(c.origin, ".mp4")
	a.w.Header().Set("Content-Type", "video/mp4")
	http.ServeContent(a.w, a.r, "", time.Time{}, file)
	return nil
}

// sample is where the bytes of one sample lie.
type sample struct{ part, frame int32 }

// mp4 is the file of a clip.
func (p *Player) mp4(ctx context.Context, footage *chunk.Footage, c *clip) (*content, error) {
	var show pmp4.Presentation
	var order []sample // as in the file
	total := int64(0)
	for i, t := range c.tracks {
		codec, err := p.mp4Codec(ctx, footage, c, t)
		if err != nil {
			return nil, err
		}
		track := &pmp4.Track{ID: i + 1, TimeScale: uint32(scaleOf(t)), Codec: codec}
		list := c.samples(t.Number)
		times := decodeTimes(list, scaleOf(t), c.origin)
		if len(list) > 0 {
			track.TimeOffset = int32(times[0])
		}
		for j, s := range list {
			f := c.parts[s.part].frames[s.frame]
			one := &pmp4.Sample{Duration: uint32(duration(times, j, t)), PayloadSize: payloadSize(t, f), IsNonSyncSample: t.Codec.Video() && !f.key}
			one.PTSOffset = int32((f.at-c.origin)*scaleOf(t)/1000 - times[j])
			one.GetPayload = func() ([]byte, error) { order = append(order, s.sample); return nil, nil }
			total += int64(one.PayloadSize)
			track.Samples = append(track.Samples, one)
		}
		show.Tracks = append(show.Tracks, track)
	}
	if total > math.MaxUint32-1<<24 {
		return nil, shardlog.Errorf(shardlog.LimitExceeded, "cut clip", "%d bytes are too many for MP4: ask for clip.mkv", total)
	}
	var head bytes.Buffer
	if err := show.Marshal(&head); err != nil {
		return nil, shardlog.Errorf(shardlog.Internal, "cut clip", "%w", err)
	}
	file := &content{}
	file.add(int64(head.Len()), func() ([]byte, error) { return head.Bytes(), nil })
	c.pieces(ctx, footage, file, order)
	return file, nil
}

// pieces adds the samples' bytes, those that follow each other in one part as
// one piece.
func (c *clip) pieces(ctx context.Context, footage *chunk.Footage, file *content, order []sample) {
	for len(order) > 0 {
		n, size := 0, int64(0)
		for n < len(order) && order[n].part == order[0].part {
			f := c.parts[order[n].part].frames[order[n].frame]
			size += int64(payloadSize(c.track(f.track), f))
			n++
		}
		group := order[:n]
		file.add(size, func() ([]byte, error) {
			frames, err := c.load(ctx, footage, int(group[0].part))
			if err != nil {
				return nil, err
			}
			var b []byte
			for _, s := range group {
				f := frames[s.frame]
				b = append(b, payload(c.track(f.Track), f.Data)...)
			}
			return b, nil
		})
		order = order[n:]
	}
}

func (c *clip) track(number uint8) chunk.Track {
	i := slices.IndexFunc(c.tracks, func(t chunk.Track) bool { return t.Number == number })
	if i < 0 {
		return chunk.Track{}
	}
	return c.tracks[i]
}

// timed is a sample and when it is shown.
type timed struct {
	sample
	at int64
}

// samples are the frames of one track, in the order of decoding.
func (c *clip) samples(track uint8) []timed {
	var all []timed
	for i, part := range c.parts {
		for j, f := range part.frames {
			if f.track == track {
				all = append(all, timed{sample{int32(i), int32(j)}, f.at})
			}
		}
	}
	return all
}

// scaleOf is how many ticks a second a track's times have in MP4.
func scaleOf(t chunk.Track) int64 {
	if t.Codec.Video() {
		return 90000
	}
	return int64(max(1, t.Rate))
}

// decodeTimes are when frames are decoded: the times at which frames are
// shown, in order. They never go back.
func decodeTimes(list []timed, scale, origin int64) []int64 {
	times := make([]int64, len(list))
	for i, s := range list {
		times[i] = (s.at - origin) * scale / 1000
	}
	slices.Sort(times)
	for i := 1; i < len(times); i++ {
		times[i] = max(times[i], times[i-1]+1)
	}
	return times
}

// duration is how long the j-th sample lasts: until the next one.
func duration(times []int64, j int, t chunk.Track) int64 {
	switch {
	case j+1 < len(times):
		return times[j+1] - times[j]
	case t.Codec == chunk.AAC:
		return 1024
	case !t.Codec.Video():
		return scaleOf(t) / 50
	}
	return scaleOf(t) * frameTime / 1000
}

// payloadSize is how many bytes a frame takes in MP4.
func payloadSize(t chunk.Track, f shape) uint32 {
	if t.Codec == chunk.G711 {
		return uint32(f.size) * 2
	}
	return uint32(f.size)
}

// payload is a frame as MP4 has it. G.711, which browsers do not play from
// MP4, becomes PCM without loss.
func payload(t chunk.Track, data []byte) []byte {
	if t.Codec != chunk.G711 {
		return data
	}
	if isALaw(t) {
		var pcm g711.Alaw
		pcm.Unmarshal(data)
		return pcm
	}
	var pcm g711.Mulaw
	pcm.Unmarshal(data)
	return pcm
}

func isALaw(t chunk.Track) bool { return len(t.Private) > 0 && t.Private[0] == 6 }
