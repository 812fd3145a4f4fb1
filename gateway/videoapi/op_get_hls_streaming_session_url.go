package videoapi

import (
	"context"
	"strconv"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// GetHLSStreamingSessionURL answers the address of a playlist, which plays
// without credentials until it expires: of what comes in (LIVE), or of what is
// stored between two times (ON_DEMAND), which are the producer's clock's.
// Footage is packaged as fragmented MP4, whose times are the producer's.
//
// ResourceNotFoundException (no stream, or no fragments),
// InvalidArgumentException (also LIVE_REPLAY and MPEG_TS, which are not
// offered).

// Playback is where playlists lie, with the session's token behind it and then
// the path of the playlist.
const Playback = "/hls/v1/"

const (
	usualExpiry = 300              // seconds
	liveEdge    = 10 * time.Second // older footage is not live, as for the player
)

func getHLSInput() []awsapi.Field {
	return []awsapi.Field{
		streamName(), streamARN(), text("PlaybackMode", awsapi.OneOf("LIVE", "LIVE_REPLAY", "ON_DEMAND")),
		selector("HLSFragmentSelector", "FragmentSelectorType", "TimestampRange"),
		text("ContainerFormat", awsapi.OneOf("FRAGMENTED_MP4", "MPEG_TS")), text("DiscontinuityMode", awsapi.OneOf("ALWAYS", "NEVER", "ON_DISCONTINUITY")),
		text("DisplayFragmentTimestamp", awsapi.OneOf("ALWAYS", "NEVER")), integer("Expires", awsapi.Least(300), awsapi.Most(43200)),
		integer("MaxMediaPlaylistFragmentResults", awsapi.Least(1), awsapi.Most(5000)),
	}
}

func (a *API) getHLS(ctx context.Context, c *awsapi.Call) error {
	in := c.In
	s, err := a.findIn(in)
	if err != nil {
		return err
	}
	switch {
	case in.Text("PlaybackMode") == "LIVE_REPLAY":
		return invalid("LIVE_REPLAY is not offered by this gateway: ask for LIVE or ON_DEMAND.")
	case in.Text("ContainerFormat") == "MPEG_TS":
		return invalid("MPEG_TS is not offered by this gateway: ask for FRAGMENTED_MP4.")
	}
	playlist, err := a.playlist(ctx, in, s)
	if err != nil {
		return err
	}
	until := c.Now.Add(time.Duration(in.Int("Expires", usualExpiry)) * time.Second)
	token, err := a.config.Grants.Seal(ctx, s.Name, until)
	if err != nil {
		return err
	}
	c.Out.Open("")
	c.Out.Text("HLSStreamingSessionURL", c.Address()+Playback+token+"/cameras/"+string(s.Name)+"/"+playlist)
	c.Out.Close()
	return nil
}

// playlist is the name of the playlist that was asked for, if it has anything.
func (a *API) playlist(ctx context.Context, in awsapi.Input, s shardlog.Stream) (string, error) {
	if in.Text("PlaybackMode") != "ON_DEMAND" {
		last, err := a.config.Footage(s.Name).Last(ctx)
		if err != nil && shardlog.KindOf(err) == shardlog.NotFound || err == nil && a.config.Now().UnixMilli()-last.End() > liveEdge.Milliseconds() {
			err = noFragments()
		}
		return "live.m3u8", err
	}
	within, ok := spanOf(in.Inner("HLSFragmentSelector"), "FragmentSelectorType", "TimestampRange")
	if !ok || within.from >= within.to {
		return "", invalid("ON_DEMAND needs HLSFragmentSelector with a TimestampRange whose start lies before its end.")
	}
	from, to, err := a.edges(ctx, s, within)
	if err != nil {
		return "", err
	}
	return "index.m3u8?start=" + strconv.FormatInt(from, 10) + "&end=" + strconv.FormatInt(to, 10), nil
}

// edges are the producer's times of the footage within a span.
func (a *API) edges(ctx context.Context, s shardlog.Stream, within span) (from, to int64, err error) {
	footage := a.config.Footage(s.Name)
	first, err := a.place(ctx, s, within.clock, within.from)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			err = noFragments()
		}
		return 0, 0, err
	}
	for p, err := range footage.Parts(ctx, first) {
		if err != nil {
			return 0, 0, err
		}
		if !p.Key() || within.clock == byProducer && p.Start < within.from {
			continue
		}
		from = p.Start
		break
	}
	to = within.to
	if within.clock == byServer {
		last, err := a.place(ctx, s, byServer, within.to)
		if err != nil {
			return 0, 0, err
		}
		to = a.config.Now().UnixMilli()
		for p, err := range footage.Parts(ctx, last) {
			if err != nil {
				return 0, 0, err
			}
			to = p.Start
			break
		}
	}
	if from == 0 || from >= to {
		return 0, 0, noFragments()
	}
	return from, to, nil
}
