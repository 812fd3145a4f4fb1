package playback

import (
	"context"
	"io"

	"headgate/shardlog"
)

// MP4 is a clip as a file: from the last frame at or before a time from which
// decoding may start, to another time, both in milliseconds since 1970. It is
// made while it is read. Kinds: NotFound (no footage then), Invalid (MP4 does
// not have its codecs), LimitExceeded.
func (p *Player) MP4(ctx context.Context, camera shardlog.StreamName, from, to int64) (io.ReadSeeker, error) {
	footage := p.config.Footage(camera)
	c, err := planClip(ctx, footage, from, to)
	if err != nil {
		return nil, err
	}
	return p.mp4(ctx, footage, c)
}
