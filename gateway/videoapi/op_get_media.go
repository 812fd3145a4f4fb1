package videoapi

import (
	"context"
	"errors"
	"time"

	"headgate/gateway/awsapi"
	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// GetMedia sends a stream's footage as Matroska, from where StartSelector says,
// and goes on with what comes in, for an hour at most. The continuation token
// behind a fragment is its number.
//
// NOW is the latest fragment. EARLIEST and NOW of a stream without footage wait
// for the first.
//
// ResourceNotFoundException, InvalidArgumentException,
// ConnectionLimitExceededException (three a stream).

const (
	maxReaders   = 3 // of a stream
	maxMediaTime = time.Hour
)

func getMediaInput() []awsapi.Field {
	return []awsapi.Field{
		{Name: "StartSelector", Type: awsapi.Structure, Rules: []awsapi.Rule{awsapi.NotNull()}, Fields: []awsapi.Field{
			text("StartSelectorType", awsapi.NotNull(), awsapi.OneOf("FRAGMENT_NUMBER", byServer, byProducer, "NOW", "EARLIEST", "CONTINUATION_TOKEN")),
			text("AfterFragmentNumber", awsapi.Pattern(`[0-9]+`), awsapi.Longest(128)), timestamp("StartTimestamp"),
			text("ContinuationToken", awsapi.Pattern(`[a-zA-Z0-9_.-]+`), awsapi.Longest(128)),
		}},
		streamName(), streamARN(),
	}
}

func (a *API) getMedia(ctx context.Context, c *awsapi.Call, f *awsapi.Flow) error {
	s, err := a.findIn(c.In)
	if err != nil {
		return err
	}
	if !a.join(s.Name) {
		return awsapi.Fail(connectionLimit, "A stream has at most %d GetMedia connections.", maxReaders)
	}
	defer a.leave(s.Name)
	from, err := a.mediaStart(ctx, s, c.In.Inner("StartSelector"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, maxMediaTime)
	defer cancel()
	out := &output{flow: f}
	if err := out.begin(ctx, c); err != nil {
		return err
	}
	err = a.send(ctx, a.config.Footage(s.Name), from, out)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// send writes what is stored from a place on, and what follows, each part at
// once.
func (a *API) send(ctx context.Context, footage *chunk.Footage, from shardlog.Seq, out *output) error {
	for p, err := range footage.Follow(ctx, from) {
		if err != nil {
			return err
		}
		if out.current == 0 && !p.Key() {
			continue
		}
		if err := out.part(p, a.config.Now().Sub(time.UnixMilli(p.Arrived))); err != nil {
			return err
		}
		if err := out.flow.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// join counts a reader of a stream; false when it has all that it may.
func (a *API) join(name shardlog.StreamName) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.getting[name] == maxReaders {
		return false
	}
	a.getting[name]++
	return true
}

func (a *API) leave(name shardlog.StreamName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.getting[name]--; a.getting[name] == 0 {
		delete(a.getting, name)
	}
}

// mediaStart is where a selector says to begin: at the first fragment that
// begins there or behind it.
func (a *API) mediaStart(ctx context.Context, s shardlog.Stream, selector awsapi.Input) (shardlog.Seq, error) {
	footage := a.config.Footage(s.Name)
	var from shardlog.Seq
	var err error
	switch kind := selector.Text("StartSelectorType"); kind {
	case "EARLIEST":
		return 1, nil
	case "NOW":
		var last chunk.Stored
		if last, err = footage.Last(ctx); err == nil {
			last, err = footage.Key(ctx, last.Start)
		}
		from = last.Seq
	case "FRAGMENT_NUMBER", "CONTINUATION_TOKEN":
		name := "AfterFragmentNumber"
		if kind == "CONTINUATION_TOKEN" {
			name = "ContinuationToken"
		}
		after, ok := parseNumber(selector.Text(name))
		if !ok {
			return 0, invalid("%s is not the number of a fragment.", name)
		}
		return after + 1, nil
	default:
		at, ok := selector.Millis("StartTimestamp")
		if !ok {
			return 0, invalid("StartTimestamp must be given with %s.", kind)
		}
		from, err = a.containing(ctx, s, kind, at)
	}
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return 1, nil // nothing is there yet
	}
	return from, err
}
