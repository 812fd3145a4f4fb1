package videoapi

import (
	"context"
	"time"

	"headgate/ingest/chunk"
)

// maxTracks is one more than the highest number of a recorder's tracks.
const maxTracks = int(chunk.TelemetryTrack) + 1

// session is how far a producer has got.
type session struct {
	recorder *chunk.Recorder
	tracks   []chunk.Track  // as the recorder has them
	cluster  int64          // when the latest cluster began, milliseconds since 1970; -1: none has
	counts   [maxTracks]int // its frames, by track
	latest   int64          // the recorder's latest frame when the connection broke
	broke    time.Time
}

// A session that broke off goes on if the producer comes back within tornTime
// and leaves no hole of more than tornHole.
const (
	tornTime = 10 * time.Minute
	tornHole = time.Second
)

// tear keeps a session whose connection broke. The take stays open.
func (p *producer) tear() {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = p.recorder.Flush(gone) // it closes the open part; nobody waits for it to be stored
	if !p.begun {
		return
	}
	s := p.session
	s.broke, s.latest = p.api.config.Now(), p.recorder.Stats().Latest
	p.api.mu.Lock()
	defer p.api.mu.Unlock()
	p.api.torn[p.stream.Name] = &s
}

// resume is the session that a producer goes on with whose first cluster begins
// then, nil when it is a new one.
func (a *API) resume(p *producer, at int64) *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.torn[p.stream.Name]
	delete(a.torn, p.stream.Name)
	switch {
	case s == nil, s.recorder != p.recorder, s.cluster < 0, !chunk.SameTracks(s.tracks, p.tracks):
		return nil
	case p.recorder.Stats().Latest != s.latest: // another door has recorded meanwhile
		return nil
	case a.config.Now().Sub(s.broke) > tornTime, at > s.latest+tornHole.Milliseconds():
		return nil
	}
	return s
}
