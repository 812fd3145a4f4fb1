package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headgate/ingest/chunk"
)

// listed is what the script lists of fragments.
type listed struct {
	Fragments []struct {
		Number                   string
		Bytes                    int
		Producer, Server, Length int64
	}
	Pages int
}

// saved is what the script saves of media.
type saved struct {
	Type, None, Refused string
	Bytes               int
}

// filmedSeconds is how long the film is, a fragment each.
const filmedSeconds = 8

// reel is a film that was put, and what was acknowledged of it.
type reel struct {
	*theatre
	began        int64
	video, audio int // frames
	numbers      []string
}

func TestFootageByKinesisVideo(t *testing.T) {
	th := openTheatre(t)
	th.run("control", map[string]any{"StreamName": "door"}, &struct{}{})
	film := th.film(filmedSeconds, h264()...)
	pieces := clusters(film)
	if len(pieces) != filmedSeconds+1 {
		t.Fatalf("%d clusters", len(pieces)-1)
	}
	if err := os.WriteFile(filepath.Join(th.folder, "film.mkv"), film, 0o600); err != nil {
		t.Fatal(err)
	}
	r := &reel{theatre: th, began: time.Now().Add(-time.Minute).UnixMilli()}
	r.video, r.audio = th.frames("film.mkv")
	r.upload(pieces)
	fragments := r.isListed()
	r.isGivenByList()
	r.isGivenFrom()
	r.isCut(fragments.Fragments[2].Producer, fragments.Fragments[4].Producer)
	r.plays()
}

// upload puts the film and wants each fragment acknowledged while the next is
// sent.
func (r *reel) upload(pieces [][]byte) {
	r.Helper()
	p := r.put("door", unsigned, since(r.began))
	p.send(pieces[0], pieces[1])
	if a := p.next(); a.EventType != "BUFFERING" { // while the body is being sent
		r.Fatalf("first %+v", a)
	}
	for i := 2; i <= len(pieces); i++ { // a cluster of unknown size ends where the next begins
		if i < len(pieces) {
			p.send(pieces[i][:12])
		} else {
			p.body.Close()
		}
		if a := p.next(); a.EventType != "RECEIVED" {
			r.Fatalf("cluster %d: %+v", i-1, a)
		}
		a := p.next()
		if a.EventType != "PERSISTED" || a.FragmentNumber == "" || (a.FragmentTimecode+200)/1000 != int64(i-2) {
			r.Fatalf("cluster %d: %+v", i-1, a)
		}
		r.numbers = append(r.numbers, a.FragmentNumber)
		if i < len(pieces) {
			p.send(pieces[i][12:])
			if a := p.next(); a.EventType != "BUFFERING" {
				r.Fatalf("cluster %d: %+v", i, a)
			}
		}
	}
	if a := p.next(); a.EventType != "" {
		r.Fatalf("behind the end: %+v", a)
	}
}

// isListed wants the fragments in the list, by both clocks.
func (r *reel) isListed() (list listed) {
	r.Helper()
	within := map[string]any{"StreamName": "door", "Clock": "PRODUCER_TIMESTAMP", "From": r.began, "To": r.began + 60_000, "Page": 3}

	r.run("fragments", within, &list)
	if len(list.Fragments) != filmedSeconds || list.Pages != 3 {
		r.Fatalf("%d fragments in %d pages", len(list.Fragments), list.Pages)
	}
	for i, f := range list.Fragments {
		if off := f.Producer - r.began - int64(i)*1000; f.Number != r.numbers[i] || off < -200 || off > 200 || f.Length < 800 || f.Length > 1200 || f.Bytes < 1000 || f.Server < r.began+59_000 {
			r.Errorf("fragment %d: %+v, acknowledged as %s, %d ms off", i, f, r.numbers[i], off)
		}
	}
	within["From"], within["To"], within["Clock"] = time.Now().Add(-time.Hour).UnixMilli(), time.Now().UnixMilli(), "SERVER_TIMESTAMP"
	var byServer listed
	r.run("fragments", within, &byServer)
	if len(byServer.Fragments) != filmedSeconds {
		r.Errorf("%d fragments by the server's clock", len(byServer.Fragments))
	}
	return list
}

// isGivenByList wants all the frames of the fragments that are asked for.
func (r *reel) isGivenByList() {
	r.Helper()
	var got saved
	r.run("list", map[string]any{"StreamName": "door", "Fragments": r.numbers}, &got)
	if v, a := r.frames("list.mkv"); v != r.video || a != r.audio || got.Type != "video/x-matroska" {
		r.Errorf("by list: %d and %d frames of %d and %d, %s", v, a, r.video, r.audio, got.Type)
	}
	if b, err := os.ReadFile(filepath.Join(r.folder, "list.mkv")); err != nil || bytes.Count(b, []byte("AWS_KINESISVIDEO_FRAGMENT_NUMBER")) != filmedSeconds {
		r.Errorf("tags of fragments by list: %v", err)
	}
	r.run("list", map[string]any{"StreamName": "door", "Fragments": []string{r.numbers[3], "999999"}}, &got)
	if v, _ := r.frames("list.mkv"); v != 15 {
		r.Errorf("one fragment has %d frames", v)
	}
}

// isGivenFrom wants GetMedia to begin where each selector says.
func (r *reel) isGivenFrom() {
	r.Helper()
	var got saved
	for name, c := range map[string]struct {
		selector map[string]any
		first    string
	}{
		"EARLIEST":           {map[string]any{"StartSelectorType": "EARLIEST"}, r.numbers[0]},
		"NOW":                {map[string]any{"StartSelectorType": "NOW"}, r.numbers[filmedSeconds-1]},
		"FRAGMENT_NUMBER":    {map[string]any{"StartSelectorType": "FRAGMENT_NUMBER", "AfterFragmentNumber": r.numbers[2]}, r.numbers[3]},
		"CONTINUATION_TOKEN": {map[string]any{"StartSelectorType": "CONTINUATION_TOKEN", "ContinuationToken": r.numbers[4]}, r.numbers[5]},
		"PRODUCER_TIMESTAMP": {map[string]any{"StartSelectorType": "PRODUCER_TIMESTAMP", "StartTimestamp": r.began + 4500}, r.numbers[4]},
		"SERVER_TIMESTAMP":   {map[string]any{"StartSelectorType": "SERVER_TIMESTAMP", "StartTimestamp": r.began}, r.numbers[0]},
	} {
		r.run("media", map[string]any{"StreamName": "door", "Selector": c.selector, "Bytes": 4000}, &got)
		b, err := os.ReadFile(filepath.Join(r.folder, "media.mkv"))
		_, tag, _ := bytes.Cut(b, []byte("AWS_KINESISVIDEO_FRAGMENT_NUMBER"))
		if err != nil || got.Type != "video/x-matroska" || len(tag) < 20 || string(tag[3:3+len(c.first)]) != c.first {
			r.Errorf("%s begins with %q, want %s, %v", name, tag[:min(20, len(tag))], c.first, err)
		}
	}
}

// isCut wants a clip of the three fragments that begin within two times.
func (r *reel) isCut(from, to int64) {
	r.Helper()
	var got saved
	r.run("clip", map[string]any{"StreamName": "door", "Clock": "PRODUCER_TIMESTAMP", "From": from, "To": to}, &got)
	if v, a := r.frames("clip.mp4"); v != 45 || a < 120 || got.Type != "video/mp4" || !strings.HasPrefix(got.None, "ResourceNotFoundException | 404") {
		r.Errorf("a clip of %d and %d frames, %+v", v, a, got)
	}
}

// plays wants a session to play without credentials, and nothing but that.
func (r *reel) plays() {
	r.Helper()
	var session struct{ URL, Replay string }
	r.run("hls", map[string]any{"StreamName": "door", "Mode": "ON_DEMAND", "Clock": "PRODUCER_TIMESTAMP", "From": r.began, "To": r.began + 60_000}, &session)
	if !strings.HasPrefix(session.Replay, "InvalidArgumentException | 400") {
		r.Errorf("LIVE_REPLAY: %s", session.Replay)
	}
	if v, a := r.frames(session.URL); v != r.video || a < r.audio-2 {
		r.Errorf("HLS plays %d and %d frames of %d and %d", v, a, r.video, r.audio)
	}
	for name, url := range map[string]string{
		"another token":  strings.Replace(session.URL, "/hls/v1/", "/hls/v1/A", 1),
		"no token":       strings.Replace(session.URL, "/hls/v1/", "/hls/v1//", 1),
		"another camera": strings.Replace(session.URL, "/cameras/door/", "/cameras/yard/", 1),
	} {
		resp, err := http.Get(url)
		if err != nil {
			r.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusNotFound {
			r.Errorf("%s: %s", name, resp.Status)
		}
	}
}

func TestASessionPlaysInABrowser(t *testing.T) {
	browsers(t)
	th := openTheatre(t)
	th.run("control", map[string]any{"StreamName": "door"}, &struct{}{})
	began := time.Now().Add(-time.Minute).UnixMilli()
	p := th.put("door", unsigned, since(began))
	p.send(th.film(6, h264()...))
	p.body.Close()
	for p.next().EventType != "" {
	}
	var session struct{ URL string }
	th.run("hls", map[string]any{"StreamName": "door", "Mode": "ON_DEMAND", "Clock": "PRODUCER_TIMESTAMP", "From": began, "To": began + 60_000}, &session)
	var seen struct {
		Errors           []string
		Played, Duration float64
		Frames, Width    int
	}
	out := th.command("node", filepath.Join(th.folder, "session.mjs"), th.console+"/healthz", session.URL)
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(seen.Errors) > 0 || seen.Played < 2 || seen.Duration < 5.5 || seen.Duration > 6.5 || seen.Frames < 20 || seen.Width != 320 {
		t.Errorf("%s", out)
	}
}

func TestPutMediaIsLive(t *testing.T) {
	th := openTheatre(t)
	th.run("control", map[string]any{"StreamName": "door"}, &struct{}{})
	pieces := clusters(th.film(6, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"))
	began := time.Now().Add(-4 * time.Second).UnixMilli()
	nothing := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // the hash of no bytes, as Amazon's C producer signs
	p := th.put("door", nothing, since(began))
	for _, one := range pieces[:4] {
		p.send(one)
	}
	for i := range 2 {
		if a := p.fragment(); (a.FragmentTimecode+200)/1000 != int64(i) {
			t.Fatalf("%+v", a)
		}
	}
	second := th.put("door", unsigned, since(began))
	if second.resp.StatusCode != http.StatusBadRequest || second.resp.Header.Get("X-Amzn-Errortype") != "ConnectionLimitExceededException" {
		t.Errorf("a second producer: %s %v", second.resp.Status, second.resp.Header)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { // while the script reads what comes in
		defer close(done)
		for _, one := range pieces[4:] {
			p.body.Write(one)
		}
		p.body.Close()
	}()
	var got saved
	th.run("media", map[string]any{"StreamName": "door", "Selector": map[string]any{"StartSelectorType": "EARLIEST"}, "Bytes": 30_000}, &got)
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal("the body is not read")
	}
	for range 3 {
		p.fragment()
	}
	b, err := os.ReadFile(filepath.Join(th.folder, "media.mkv"))
	if err != nil || !bytes.Contains(b, []byte("AWS_KINESISVIDEO_MILLIS_BEHIND_NOW")) || !bytes.Contains(b, []byte("AWS_KINESISVIDEO_CONTINUATION_TOKEN")) {
		t.Errorf("tags behind fragments are missing, %v", err)
	}
	var session struct{ URL string }
	th.run("hls", map[string]any{"StreamName": "door", "Mode": "LIVE"}, &session)
	r, err := http.Get(session.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("live: %s", r.Status)
	}
	th.run("clip", map[string]any{"StreamName": "door", "Clock": "PRODUCER_TIMESTAMP", "From": began, "To": began + 9000}, &got)
	if got.Refused != "UnsupportedStreamMediaTypeException" {
		t.Errorf("VP8 in MP4: %+v", got)
	}
}

func TestPutMediaRefusesWhatItCannotKeep(t *testing.T) {
	th := openTheatre(t)
	th.run("control", map[string]any{"StreamName": "door"}, &struct{}{})
	pieces := clusters(th.film(3, h264()...))
	began := time.Now().Add(-time.Minute).UnixMilli()
	for name, c := range map[string]struct {
		pieces [][]byte
		code   string
		id     int
	}{
		"no Matroska":       {[][]byte{[]byte(strings.Repeat("RIFF", 100))}, "INVALID_MKV_DATA", 4006},
		"back in time":      {[][]byte{pieces[0], pieces[3], pieces[1]}, "FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS", 4004},
		"a track of no one": {[][]byte{pieces[0], {0x1f, 0x43, 0xb6, 0x75, 0x8a, 0xe7, 0x81, 0x01, 0xa3, 0x85, 0x89, 0, 0, 0x80, 0}}, "TRACK_NUMBER_MISMATCH", 4010},
		"laced":             {[][]byte{pieces[0], {0x1f, 0x43, 0xb6, 0x75, 0x8a, 0xe7, 0x81, 0x01, 0xa3, 0x85, 0x81, 0, 0, 0x82, 0}}, "INVALID_MKV_DATA", 4006},
		"torn":              {[][]byte{pieces[0], pieces[1][:len(pieces[1])/2]}, "STREAM_READ_ERROR", 4000},
	} {
		t.Run(name, func(t *testing.T) {
			p := th.put("yard", unsigned, since(began))
			go func() { // the gateway may hang up before all is sent
				for _, one := range c.pieces {
					p.body.Write(one)
				}
				p.body.Close()
			}()
			var last ack
			for a := p.next(); a.EventType != ""; a = p.next() {
				last = a
			}
			if last.EventType != "ERROR" || last.ErrorCode != c.code || last.ErrorId != c.id {
				t.Errorf("%+v", last)
			}
		})
	}
	for name, c := range map[string]struct {
		stream, kind, start, code string
		status                    int
	}{
		"no such stream": {"nobody", "ABSOLUTE", "", "ResourceNotFoundException", http.StatusNotFound},
		"no timecodes":   {"door", "", "", "InvalidArgumentException", http.StatusBadRequest},
		"no start":       {"door", "RELATIVE", "soon", "InvalidArgumentException", http.StatusBadRequest},
	} {
		p := th.put(c.stream, unsigned, map[string]string{"x-amzn-fragment-timecode-type": c.kind, "x-amzn-producer-start-timestamp": c.start})
		if code := p.resp.Header.Get("X-Amzn-Errortype"); p.resp.StatusCode != c.status || code != c.code {
			t.Errorf("%s: %s %s", name, p.resp.Status, code)
		}
	}
	stranger := *th
	stranger.secret = "wrong"
	if p := stranger.put("door", unsigned, since(began)); p.resp.StatusCode != http.StatusForbidden || p.resp.Header.Get("X-Amzn-Errortype") != "InvalidSignatureException" {
		t.Errorf("a stranger: %s", p.resp.Status)
	}
}

func TestAProducerGoesOnWhereItBroke(t *testing.T) {
	th := openTheatre(t)
	th.run("control", map[string]any{"StreamName": "door"}, &struct{}{})
	film := th.film(6, h264()...)
	pieces := clusters(film)
	if err := os.WriteFile(filepath.Join(th.folder, "film.mkv"), film, 0o600); err != nil {
		t.Fatal(err)
	}
	video, audio := th.frames("film.mkv")
	began := time.Now().Add(-time.Minute).UnixMilli()
	p := th.put("door", unsigned, since(began))
	p.send(pieces[0], pieces[1], pieces[2], pieces[3][:len(pieces[3])*2/3])
	p.fragment()
	p.fragment()
	if a := p.next(); a.EventType != "BUFFERING" {
		t.Fatalf("%+v", a)
	}
	p.body.CloseWithError(os.ErrClosed) // the connection breaks
	for p.next().EventType != "" {
	}
	for { // until the gateway has noticed
		if p = th.put("door", unsigned, since(began)); p.resp.StatusCode == http.StatusOK {
			break
		}
		p.body.Close()
	}
	p.send(pieces[0], pieces[2], pieces[3], pieces[4], pieces[5], pieces[6])
	p.body.Close()
	for range 5 {
		p.fragment()
	}
	var list listed
	th.run("fragments", map[string]any{"StreamName": "door", "Clock": "PRODUCER_TIMESTAMP", "From": began - 1000, "To": began + 60_000, "Page": 100}, &list)
	if len(list.Fragments) != 6 {
		t.Errorf("%d fragments", len(list.Fragments))
	}
	var numbers []string
	for _, f := range list.Fragments {
		numbers = append(numbers, f.Number)
	}
	var got saved
	th.run("list", map[string]any{"StreamName": "door", "Fragments": numbers}, &got)
	if v, a := th.frames("list.mkv"); v != video || a != audio {
		t.Errorf("%d and %d frames of %d and %d", v, a, video, audio)
	}
}

func TestAbsoluteTimecodes(t *testing.T) {
	th := openTheatre(t)
	th.run("control", map[string]any{"StreamName": "door"}, &struct{}{})
	tracks := []chunk.Track{{Number: 1, Codec: chunk.VP8, Width: 64, Height: 64}}
	began := time.Now().Add(-10 * time.Second).UnixMilli()
	piece := func(at int64) []byte {
		part := chunk.Part{Start: at, Frames: []chunk.Frame{{Track: 1, At: at, Key: true, Data: []byte("picture")}, {Track: 1, At: at + 400, Data: []byte("more")}}}
		return part.AppendCluster(nil, 0)
	}
	p := th.put("door", unsigned, map[string]string{"x-amzn-fragment-timecode-type": "ABSOLUTE"})
	p.send(chunk.AppendHeader(nil, tracks))
	for i := range int64(3) { // of known size: acknowledged without anything behind them
		p.send(piece(began + i*500))
		if a := p.fragment(); a.FragmentTimecode != began+i*500 {
			t.Errorf("%+v", a)
		}
	}
	d := th.put("yard", unsigned, map[string]string{"x-amzn-fragment-timecode-type": "ABSOLUTE"})
	d.send(chunk.AppendHeader(nil, tracks), piece(began))
	d.fragment()
	th.run("remove", map[string]any{"StreamName": "yard"}, &struct{}{})
	d.send(piece(began + 500))
	for a := d.next(); a.ErrorId != 4008; a = d.next() {
		if a.EventType == "" || a.EventType == "PERSISTED" {
			t.Fatalf("of a deleted stream: %+v", a)
		}
	}
	p.send(piece(began + 48*3600_000))
	if a := p.next(); a.EventType != "ERROR" || a.ErrorId != 4007 {
		t.Errorf("two days ahead: %+v", a)
	}
	p.body.Close()
	var list listed
	th.run("fragments", map[string]any{"StreamName": "door", "Clock": "PRODUCER_TIMESTAMP", "From": began + 500, "To": began + 1000, "Page": 100}, &list)
	if len(list.Fragments) != 2 || list.Fragments[0].Producer != began+500 || list.Fragments[0].Length != 500 {
		t.Errorf("%+v", list)
	}
}

// A shard takes a megabyte a second. Who sends faster is read slower, and loses
// nothing.
func TestAFastProducerWaits(t *testing.T) {
	th := equip(t)
	th.open(nil)
	th.run("control", map[string]any{"StreamName": "door"}, &struct{}{})
	tracks := []chunk.Track{{Number: 1, Codec: chunk.VP8, Width: 64, Height: 64}}
	began := time.Now().Add(-time.Minute).UnixMilli()
	p := th.put("door", unsigned, map[string]string{"x-amzn-fragment-timecode-type": "ABSOLUTE"})
	const fragments, frames, size = 6, 20, 40_000
	go func() {
		p.body.Write(chunk.AppendHeader(nil, tracks))
		for i := range int64(fragments) {
			part := chunk.Part{Start: began + i*1000}
			for j := range int64(frames) {
				part.Frames = append(part.Frames, chunk.Frame{Track: 1, At: part.Start + j*50, Key: j == 0, Data: make([]byte, size)})
			}
			p.body.Write(part.AppendCluster(nil, 0))
		}
		p.body.Close()
	}()
	sent := time.Now()
	for range fragments {
		p.fragment()
	}
	if took := time.Since(sent); took < 2*time.Second {
		t.Errorf("%d bytes in %v", fragments*frames*size, took)
	}
	var list listed
	th.run("fragments", map[string]any{"StreamName": "door", "Clock": "PRODUCER_TIMESTAMP", "From": began, "To": began + 60_000, "Page": 100}, &list)
	for i, f := range list.Fragments {
		if f.Bytes < frames*size {
			t.Errorf("fragment %d has %d bytes", i, f.Bytes)
		}
	}
	if len(list.Fragments) != fragments {
		t.Errorf("%d fragments", len(list.Fragments))
	}
}
