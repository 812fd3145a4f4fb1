package playback

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// windowTime is how long a segment of stored footage is, about: it begins with
// the first key frame in its window of time and ends before the first one of
// the next window.
const windowTime = 6 * time.Second

// maxWindows bounds a playlist, as Kinesis Video Streams does.
const maxWindows = 5000

// playlist answers an HLS playlist of stored footage: it needs no more than
// the timeline, segments are made when they are asked for.
func (p *Player) playlist(a *ask) error {
	from, to, err := p.span(a, time.Hour)
	if err != nil {
		return err
	}
	spans, err := a.footage.Timeline(a.r.Context(), from, to, maxSpans)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%d\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n", int(2*windowTime.Seconds()))
	windows := 0
	for i, s := range spans {
		if i > 0 {
			b.WriteString("#EXT-X-DISCONTINUITY\n")
		}
		start, end := max(s.From, from), min(s.To+frameTime, to)
		fmt.Fprintf(&b, "#EXT-X-MAP:URI=\"init.mp4?at=%d\"\n#EXT-X-PROGRAM-DATE-TIME:%s\n", start, millis(start).Format("2006-01-02T15:04:05.000Z07:00"))
		for at, until := start, int64(0); at < end; at = until {
			until = at + windowTime.Milliseconds()
			if end-until < windowTime.Milliseconds()/2 {
				until = end // what is left may be too short to hold a key frame
			}
			if windows++; windows > maxWindows {
				return shardlog.Errorf(shardlog.LimitExceeded, "list footage", "more than %d segments: ask for less time", maxWindows)
			}
			lead := ""
			if at == start {
				lead = "&lead="
			}
			fmt.Fprintf(&b, "#EXTINF:%.3f,\nwindow.m4s?start=%d&end=%d%s\n", float64(until-at)/1000, at, until, lead)
		}
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return a.m3u8(b.String())
}

func (a *ask) m3u8(text string) error {
	a.w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
	_, err := a.w.Write([]byte(text))
	return ignoreGone(err)
}

// window answers one segment of stored footage. With lead it begins with what
// the first frame needs to be decoded, even if that lies before the window.
func (p *Player) window(a *ask) error {
	from, to, err := p.span(a, windowTime)
	if err != nil {
		return err
	}
	if to-from > time.Minute.Milliseconds() {
		return invalid("a segment is a minute long at most")
	}
	key, err := a.footage.Key(a.r.Context(), from)
	if err == nil && key.Start < from && !a.r.URL.Query().Has("lead") {
		key, err = keyWithin(a.r.Context(), a.footage, key, from, to)
	}
	if err != nil {
		return err
	}
	var frames []chunk.Frame
	began := key.Take.Began
	for part, err := range a.footage.Parts(a.r.Context(), key.Seq) {
		if err != nil {
			return err
		}
		if part.Key() && part.Start >= to || part.Take.Began != began && part.Start >= to {
			break
		}
		if len(frames) == 0 && (!part.Key() || part.Start < from && part.End() < from) && part.Take.Began == began && part.Seq != key.Seq {
			continue
		}
		frames = append(frames, part.Frames...)
	}
	return a.segment(key.Tracks, frames, uint32(key.Seq))
}

// keyWithin is the first key part that starts within a window, or the one before
// it, which the window before it has too, where there is none.
func keyWithin(ctx context.Context, footage *chunk.Footage, before chunk.Stored, from, to int64) (chunk.Stored, error) {
	for part, err := range footage.Parts(ctx, before.Next) {
		if err != nil {
			return before, err
		}
		if part.Start >= to {
			break
		}
		if part.Key() && part.Start >= from {
			return part, nil
		}
	}
	return before, nil
}

// segment answers frames as one fragment of fMP4.
func (a *ask) segment(tracks []chunk.Track, frames []chunk.Frame, number uint32) error {
	text, err := fragment(tracks, frames, number)
	if err != nil {
		return err
	}
	a.w.Header().Set("Content-Type", "video/iso.segment")
	a.w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, err = a.w.Write(text)
	return ignoreGone(err)
}

// fragment is frames as one fragment of fMP4. Its times are the day's: those
// of 1970 are too long for some players.
func fragment(tracks []chunk.Track, frames []chunk.Frame, number uint32) ([]byte, error) {
	part := fmp4.Part{SequenceNumber: number}
	for i, t := range tracks {
		var list []timed
		for j, f := range frames {
			if f.Track == t.Number {
				list = append(list, timed{sample{0, int32(j)}, f.At})
			}
		}
		if len(list) == 0 {
			continue
		}
		times := decodeTimes(list, scaleOf(t), epoch)
		track := &fmp4.PartTrack{ID: i + 1, BaseTime: uint64(max(0, times[0]))}
		for j, s := range list {
			f := frames[s.frame]
			track.Samples = append(track.Samples, &fmp4.Sample{
				Duration: uint32(duration(times, j, t)), PTSOffset: int32((f.At-epoch)*scaleOf(t)/1000 - times[j]),
				IsNonSyncSample: t.Codec.Video() && !f.Key, Payload: payload(t, f.Data)})
		}
		part.Tracks = append(part.Tracks, track)
	}
	var b seekablebuffer.Buffer
	if err := part.Marshal(&b); err != nil {
		return nil, shardlog.Errorf(shardlog.Internal, "make segment", "%w", err)
	}
	return b.Bytes(), nil
}

// epoch is what segments call 0: 2025, in milliseconds since 1970. Players
// count in 32 bits or in floating point, and take smaller numbers better.
const epoch = 1_735_689_600_000

// initMP4 answers what comes before all segments of a take.
func (p *Player) initMP4(a *ask) error {
	at, err := p.moment(a, "at", p.config.Now().UnixMilli())
	if err != nil {
		return err
	}
	key, err := a.footage.Key(a.r.Context(), at)
	if err != nil {
		return err
	}
	var head fmp4.Init
	for i, t := range key.Tracks {
		codec, err := codecOf(t, key.Frames)
		if err != nil {
			return err
		}
		head.Tracks = append(head.Tracks, &fmp4.InitTrack{ID: i + 1, TimeScale: uint32(scaleOf(t)), Codec: codec})
	}
	var b seekablebuffer.Buffer
	if err := head.Marshal(&b); err != nil {
		return shardlog.Errorf(shardlog.Internal, "make segment", "%w", err)
	}
	a.w.Header().Set("Content-Type", "video/mp4")
	http.ServeContent(a.w, a.r, "", time.Time{}, bytes.NewReader(b.Bytes()))
	return nil
}

// Live HLS: each record of the log is a segment, by its sequence number, so
// that every gateway of the site lists the same.
const (
	liveRecords = 24               // in a playlist
	blockTime   = 5 * time.Second  // how long a player may wait for a segment
	liveEdge    = 10 * time.Second // older footage is not live
)

// live answers the playlist of what comes in now. A player that says which
// segment it wants waits until that is there (_HLS_msn).
func (p *Player) live(a *ask) error {
	ctx := a.r.Context()
	last, err := a.footage.Last(ctx)
	if err != nil {
		return err
	}
	if p.config.Now().UnixMilli()-last.End() > liveEdge.Milliseconds() {
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "play live", Stream: a.camera, RetryAfter: 2 * time.Second}
	}
	if text := a.r.URL.Query().Get("_HLS_msn"); text != "" {
		msn, err := strconv.ParseUint(text, 10, 63)
		if err != nil || msn > uint64(last.Seq)+liveRecords {
			return invalid("_HLS_msn %q", text)
		}
		if last, err = p.await(ctx, a.footage, last, shardlog.Seq(msn)); err != nil {
			return err
		}
	}
	key, err := a.footage.Key(ctx, last.Start-liveRecords*chunk.MaxPartTime.Milliseconds()/2)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=3.0\n#EXT-X-MEDIA-SEQUENCE:%d\n", key.Seq)
	take, next := int64(0), key.Seq
	for part, err := range a.footage.Parts(ctx, key.Seq) {
		if err != nil {
			return err
		}
		for ; next < part.Seq; next++ { // records that hold no part, or the rest of one
			b.WriteString("#EXT-X-GAP\n#EXTINF:0.001,\nrecord.m4s?seq=" + strconv.FormatUint(uint64(next), 10) + "\n")
		}
		if part.Take.Began != take {
			if take != 0 {
				b.WriteString("#EXT-X-DISCONTINUITY\n")
			}
			take = part.Take.Began
			fmt.Fprintf(&b, "#EXT-X-MAP:URI=\"init.mp4?at=%d\"\n#EXT-X-PROGRAM-DATE-TIME:%s\n", part.Start, millis(part.Start).Format("2006-01-02T15:04:05.000Z07:00"))
		}
		fmt.Fprintf(&b, "#EXTINF:%.3f,\nrecord.m4s?seq=%d\n", float64(part.End()-part.Start+frameTime)/1000, part.Seq)
		next = part.Seq + 1
	}
	return a.m3u8(b.String())
}

// await waits until a record is there, for a while.
func (p *Player) await(ctx context.Context, footage *chunk.Footage, last chunk.Stored, seq shardlog.Seq) (chunk.Stored, error) {
	short, cancel := context.WithTimeout(ctx, blockTime)
	defer cancel()
	for part, err := range footage.Follow(short, last.Seq) {
		if err != nil {
			if ctx.Err() == nil && short.Err() != nil {
				return last, nil // it does not come: the list stays as it is
			}
			return last, err
		}
		if last = part; part.Seq >= seq {
			return last, nil
		}
	}
	return last, nil
}

// record answers one part as a segment.
func (p *Player) record(a *ask) error {
	seq, err := strconv.ParseUint(a.r.URL.Query().Get("seq"), 10, 63)
	if err != nil {
		return invalid("seq %q", a.r.URL.Query().Get("seq"))
	}
	for part, err := range a.footage.Parts(a.r.Context(), shardlog.Seq(seq)) {
		if err != nil {
			return err
		}
		if part.Seq != shardlog.Seq(seq) {
			break
		}
		tracks := part.Tracks
		if tracks == nil {
			key, err := a.footage.Key(a.r.Context(), part.Start)
			if err != nil {
				return err
			}
			tracks = key.Tracks
		}
		return a.segment(tracks, part.Frames, uint32(seq))
	}
	return &shardlog.Error{Kind: shardlog.NotFound, Op: "play live", Stream: a.camera}
}
