package videoapi

import (
	"context"
	"io"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// GetClip sends a stretch of footage as MP4: from the first fragment that
// begins within the time, at most 200 fragments or 100 MB.
//
// ResourceNotFoundException (no stream, or no fragments),
// UnsupportedStreamMediaTypeException (no codecs for MP4),
// InvalidArgumentException.

const (
	maxClipFragments = 200
	maxClipBytes     = 100 << 20
	typeMP4          = "video/mp4"
	clipBuffer       = 256 << 10
)

func getClipInput() []awsapi.Field {
	required := selector("ClipFragmentSelector", "FragmentSelectorType", "TimestampRange", awsapi.NotNull())
	required.Rules = []awsapi.Rule{awsapi.NotNull()}
	return []awsapi.Field{required, streamName(), streamARN()}
}

func (a *API) getClip(ctx context.Context, c *awsapi.Call, f *awsapi.Flow) error {
	s, err := a.findIn(c.In)
	if err != nil {
		return err
	}
	within, _ := spanOf(c.In.Inner("ClipFragmentSelector"), "FragmentSelectorType", "TimestampRange")
	if within.from >= within.to {
		return invalid("StartTimestamp must lie before EndTimestamp.")
	}
	if err := c.Hold(ctx, outputMemory); err != nil {
		return err
	}
	from, to, err := a.clipSpan(ctx, s, within)
	if err != nil {
		return err
	}
	file, err := a.config.Clip(ctx, s.Name, from, to)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.Invalid {
			return awsapi.Fail(unsupportedMedia, "The media of stream %s cannot be made into MP4.", s.Name)
		}
		return err
	}
	if err := f.Begin(typeMP4); err != nil {
		return err
	}
	_, err = io.CopyBuffer(f, file, make([]byte, clipBuffer))
	return err
}

// clipSpan is the producer's time from the first fragment within a span to the
// end of the last that a clip may have.
func (a *API) clipSpan(ctx context.Context, s shardlog.Stream, within span) (from, to int64, err error) {
	first, err := a.place(ctx, s, within.clock, within.from)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			err = noFragments()
		}
		return 0, 0, err
	}
	count, bytes := 0, int64(0)
	for f, err := range fragments(ctx, a.config.Footage(s.Name), first) {
		if err != nil {
			return 0, 0, err
		}
		if f.when(within.clock) < within.from {
			continue
		}
		if f.when(within.clock) > within.to || count == maxClipFragments || count > 0 && bytes+f.bytes > maxClipBytes {
			break
		}
		if count == 0 {
			from = f.start
		}
		count++
		bytes, to = bytes+f.bytes, f.end+1
	}
	if count == 0 {
		return 0, 0, noFragments()
	}
	return from, to, nil
}
