package gateway_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

func TestFootageByKinesisVideo(t *testing.T) {
	th := openTheatre(t)
	th.run("control", map[string]any{"StreamName": "door"}, &struct{}{})
	const seconds = 8
	film := th.film(seconds, h264()...)
	pieces := clusters(film)
	if len(pieces) != seconds+1 {
		t.Fatalf("%d clusters", len(pieces)-1)
	}
	if err := os.WriteFile(filepath.Join(th.folder, "film.mkv"), film, 0o600); err != nil {
		t.Fatal(err)
	}
	video, audio := th.frames("film.mkv")
	began := time.Now().Add(-time.Minute).UnixMilli()
	p := th.put("door", unsigned, since(began))
	p.send(pieces[0], pieces[1])
	if a := p.next(); a.EventType != "BUFFERING" { // while the body is being sent
		t.Fatalf("first %+v", a)
	}
	var numbers []string
	for i := 2; i <= len(pieces); i++ { // a cluster of unknown size ends where the next begins
		if i < len(pieces) {
			p.send(pieces[i][:12])
		} else {
			p.body.Close()
		}
		if a := p.next(); a.EventType != "RECEIVED" {
			t.Fatalf("cluster %d: %+v", i-1, a)
		}
		a := p.next()
		if a.EventType != "PERSISTED" || a.FragmentNumber == "" || (a.FragmentTimecode+200)/1000 != int64(i-2) {
			t.Fatalf("cluster %d: %+v", i-1, a)
		}
		numbers = append(numbers, a.FragmentNumber)
		if i < len(pieces) {
			p.send(pieces[i][12:])
			if a := p.next(); a.EventType != "BUFFERING" {
				t.Fatalf("cluster %d: %+v", i, a)
			}
		}
	}
	if a := p.next(); a.EventType != "" {
		t.Fatalf("behind the end: %+v", a)
	}
	within := map[string]any{"StreamName": "door", "Clock": "PRODUCER_TIMESTAMP", "From": began, "To": began + 60_000, "Page": 3}

	var list listed
	th.run("fragments", within, &list)
	if len(list.Fragments) != seconds || list.Pages != 3 {
		t.Fatalf("%d fragments in %d pages", len(list.Fragments), list.Pages)
	}
	for i, f := range list.Fragments {
		if off := f.Producer - began - int64(i)*1000; f.Number != numbers[i] || off < -200 || off > 200 || f.Length < 800 || f.Length > 1200 || f.Bytes < 1000 || f.Server < began+59_000 {
			t.Errorf("fragment %d: %+v, acknowledged as %s, %d ms off", i, f, numbers[i], off)
		}
	}
	within["From"], within["To"], within["Clock"] = time.Now().Add(-time.Hour).UnixMilli(), time.Now().UnixMilli(), "SERVER_TIMESTAMP"
	var byServer listed
	th.run("fragments", within, &byServer)
	if len(byServer.Fragments) != seconds {
		t.Errorf("%d fragments by the server's clock", len(byServer.Fragments))
	}

	var got saved
	th.run("list", map[string]any{"StreamName": "door", "Fragments": numbers}, &got)
	if v, a := th.frames("list.mkv"); v != video || a != audio || got.Type != "video/x-matroska" {
		t.Errorf("by list: %d and %d frames of %d and %d, %s", v, a, video, audio, got.Type)
	}
	if b, err := os.ReadFile(filepath.Join(th.folder, "list.mkv")); err != nil || bytes.Count(b, []byte("AWS_KINESISVIDEO_FRAGMENT_NUMBER")) != seconds {
		t.Errorf("tags of fragments by list: %v", err)
	}
	th.run("list", map[string]any{"StreamName": "door", "Fragments": []string{numbers[3], "999999"}}, &got)
	if v, _ := th.frames("list.mkv"); v != 15 {
		t.Errorf("one fragment has %d frames", v)
	}
	whole := got.Bytes

	for name, c := range map[string]struct {
		selector map[string]any
		first    string
	}{
		"EARLIEST":           {map[string]any{"StartSelectorType": "EARLIEST"}, numbers[0]},
		"NOW":                {map[string]any{"StartSelectorType": "NOW"}, numbers[seconds-1]},
		"FRAGMENT_NUMBER":    {map[string]any{"StartSelectorType": "FRAGMENT_NUMBER", "AfterFragmentNumber": numbers[2]}, numbers[3]},
		"CONTINUATION_TOKEN": {map[string]any{"StartSelectorType": "CONTINUATION_TOKEN", "ContinuationToken": numbers[4]}, numbers[5]},
		"PRODUCER_TIMESTAMP": {map[string]any{"StartSelectorType": "PRODUCER_TIMESTAMP", "StartTimestamp": began + 4500}, numbers[4]},
		"SERVER_TIMESTAMP":   {map[string]any{"StartSelectorType": "SERVER_TIMESTAMP", "StartTimestamp": began}, numbers[0]},
	} {
		th.run("media", map[string]any{"StreamName": "door", "Selector": c.selector, "Bytes": min(4000, whole/4)}, &got)
		b, err := os.ReadFile(filepath.Join(th.folder, "media.mkv"))
		_, tag, _ := bytes.Cut(b, []byte("AWS_KINESISVIDEO_FRAGMENT_NUMBER"))
		if err != nil || got.Type != "video/x-matroska" || len(tag) < 20 || string(tag[3:3+len(c.first)]) != c.first {
			t.Errorf("%s begins with %q, want %s, %v", name, tag[:min(20, len(tag))], c.first, err)
		}
	}

	within = map[string]any{"StreamName": "door", "Clock": "PRODUCER_TIMESTAMP", "From": list.Fragments[2].Producer, "To": list.Fragments[4].Producer, "Mode": "ON_DEMAND"}
	th.run("clip", within, &got)
	if v, a := th.frames("clip.mp4"); v != 45 || a < 120 || got.Type != "video/mp4" || !strings.HasPrefix(got.None, "ResourceNotFoundException | 404") {
		t.Errorf("a clip of %d and %d frames, %+v", v, a, got)
	}
	var session struct{ URL, Replay string }
	within["From"], within["To"] = began, began+60_000
	th.run("hls", within, &session)
	if !strings.HasPrefix(session.Replay, "InvalidArgumentException | 400") {
		t.Errorf("LIVE_REPLAY: %s", session.Replay)
	}
	if v, a := th.frames(session.URL); v != video || a < audio-2 {
		t.Errorf("HLS plays %d and %d frames of %d and %d", v, a, video, audio)
	}
	for name, url := range map[string]string{
		"another token":  strings.Replace(session.URL, "/hls/v1/", "/hls/v1/A", 1),
		"no token":       strings.Replace(session.URL, "/hls/v1/", "/hls/v1//", 1),
		"another camera": strings.Replace(session.URL, "/cameras/door/", "/cameras/yard/", 1),
	} {
		r, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusUnauthorized && r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, r.Status)
		}
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
