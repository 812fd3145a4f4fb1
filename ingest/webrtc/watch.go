package webrtc

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// watch opens a session that sends a camera's media: live, or from a time on.
func (s *Server) watch(ctx context.Context, camera *camera, offer string, query url.Values) (*session, string, error) {
	from, speed, err := replayOf(query)
	if err != nil {
		return nil, "", err
	}
	for from == 0 && camera.starting() {
		if err := pause(ctx, tickTime); err != nil {
			return nil, "", err
		}
	}
	live := from == 0 && camera.live()
	if from == 0 && !live {
		if from, err = s.edge(ctx, camera); err != nil {
			return nil, "", err
		}
	}
	one, err := s.newSession(camera, nil)
	if err != nil {
		return nil, "", err
	}
	var answer string
	if live {
		answer, err = one.watchLive(ctx, offer)
	} else {
		answer, err = one.watchLog(ctx, offer, from, speed)
	}
	if err != nil {
		one.end(chunk.Left)
		return nil, "", err
	}
	return one, answer, nil
}

// pause waits, or answers why not.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// replayOf reads start (RFC 3339, or milliseconds since 1970) and speed.
func replayOf(query url.Values) (from int64, speed float64, err error) {
	speed = 1
	if text := query.Get("speed"); text != "" {
		if speed, err = strconv.ParseFloat(text, 64); err != nil || !(speed >= 0.25 && speed <= 8) {
			return 0, 0, badOffer("speed %q: 0.25 to 8 are allowed", text)
		}
	}
	text := query.Get("start")
	if text == "" {
		return 0, speed, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 0 {
		return ms, speed, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.UnixMilli() <= 0 {
		return 0, 0, badOffer("start %q: write 2026-11-27T12:00:00Z, or milliseconds since 1970", text)
	}
	return t.UnixMilli(), speed, nil
}

// freshness is how old the newest part may be for a camera to count as live:
// it sends to another gateway of the site.
const freshness = 5 * time.Second

// edge is the time of the newest footage. Kind NotFound: nobody sends.
func (s *Server) edge(ctx context.Context, camera *camera) (int64, error) {
	footage := s.config.Footage(camera.name)
	last, err := footage.Last(ctx)
	if err == nil && s.config.Now().UnixMilli()-last.End() < freshness.Milliseconds() {
		return last.Start, nil
	}
	return 0, &shardlog.Error{Kind: shardlog.NotFound, Op: "watch", Stream: camera.name, RetryAfter: 2 * time.Second}
}

// send adds a track of ours and reads what the viewer says of it: missed is
// called when it lost too much to go on.
func (s *session) send(local webrtc.TrackLocal, missed func()) error {
	t, err := s.pc.AddTransceiverFromTrack(local, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return err
	}
	sender := t.Sender()
	s.server.spawn(func() {
		for {
			packets, _, err := sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, one := range packets {
				switch one.(type) {
				case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
					missed()
				}
			}
		}
	})
	return nil
}

func (s *session) watchLive(ctx context.Context, offer string) (string, error) {
	for _, o := range s.camera.all() {
		if !offers(offer, o.local.Kind().String()) {
			continue
		}
		if err := s.send(o.local, s.camera.keyframe); err != nil {
			return "", err
		}
	}
	if len(s.pc.GetSenders()) == 0 {
		return "", badOffer("the camera sends nothing of what is offered")
	}
	answer, err := s.answer(ctx, offer)
	if err != nil {
		return "", err
	}
	s.camera.join(s)
	if !s.server.spawn(func() {
		s.run(func(time.Time) chunk.Reason {
			if s.camera.gone(silentTime) {
				return chunk.Silent
			}
			return ""
		}, time.Second)
	}) {
		return "", unavailable("open session", context.Canceled)
	}
	s.camera.keyframe()
	return answer, nil
}
