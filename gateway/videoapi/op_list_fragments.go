package videoapi

import (
	"context"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// ListFragments lists the fragments that begin within a time, in order, at most
// MaxResults in one answer. An answer may hold fewer and go on all the same:
// the fragments are counted out of the footage.
//
// ResourceNotFoundException, InvalidArgumentException.

const (
	fragmentsPage = "f"
	maxCounted    = 256 << 20 // bytes of footage that one answer goes through
)

func listFragmentsInput() []awsapi.Field {
	return []awsapi.Field{
		streamName(), streamARN(), integer("MaxResults", awsapi.Least(1), awsapi.Most(1000)), nextToken(),
		selector("FragmentSelector", "FragmentSelectorType", "TimestampRange", awsapi.NotNull()),
	}
}

// span is a stretch of time by one of the clocks.
type span struct {
	clock    string
	from, to int64 // milliseconds since 1970; both belong to it
}

// spanOf reads a structure that selector describes; false when it is not there
// or not whole.
func spanOf(in awsapi.Input, kind, name string) (s span, ok bool) {
	s.clock = in.Text(kind)
	from, has := in.Inner(name).Millis("StartTimestamp")
	to, hasEnd := in.Inner(name).Millis("EndTimestamp")
	s.from, s.to = from, to
	return s, has && hasEnd && s.clock != ""
}

func (a *API) listFragments(ctx context.Context, c *awsapi.Call) error {
	s, err := a.findIn(c.In)
	if err != nil {
		return err
	}
	within := span{byProducer, 0, 1 << 60}
	if given, ok := spanOf(c.In.Inner("FragmentSelector"), "FragmentSelectorType", "TimestampRange"); ok {
		if within = given; given.from > given.to {
			return invalid("StartTimestamp lies behind EndTimestamp.")
		}
	}
	from, err := a.listStart(ctx, c.In, s, within)
	if err != nil {
		return err
	}
	if err := c.Hold(ctx, outputMemory); err != nil {
		return err
	}
	most, listed, counted := c.In.Int("MaxResults", 100), 0, int64(0)
	next := ""
	out := &c.Out
	out.Open("")
	out.List("Fragments")
	for f, err := range fragments(ctx, a.config.Footage(s.Name), from) {
		if err != nil {
			return err
		}
		if f.when(within.clock) > within.to {
			break
		}
		if listed == most || counted > maxCounted {
			next = page(fragmentsPage, number(f.number))
			break
		}
		if counted += f.bytes; f.when(within.clock) < within.from {
			continue
		}
		listed++
		putFragment(out, f)
	}
	out.EndList()
	if next != "" {
		out.Text("NextToken", next)
	}
	out.Close()
	return nil
}

// listStart is where a listing begins or goes on.
func (a *API) listStart(ctx context.Context, in awsapi.Input, s shardlog.Stream, within span) (shardlog.Seq, error) {
	if !in.Has("NextToken") {
		from, err := a.place(ctx, s, within.clock, within.from)
		if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
			return 1, nil // there are none
		}
		return from, err
	}
	place, err := openPage(fragmentsPage, in.Text("NextToken"))
	if err != nil {
		return 0, err
	}
	from, ok := parseNumber(place)
	if !ok {
		return 0, invalid("Invalid NextToken.")
	}
	return from, nil
}

func putFragment(out *awsapi.Reply, f fragment) {
	out.Open("")
	out.Text("FragmentNumber", number(f.number))
	out.Int("FragmentSizeInBytes", f.bytes)
	out.Time("ProducerTimestamp", time.UnixMilli(f.start))
	out.Time("ServerTimestamp", time.UnixMilli(f.arrived))
	out.Int("FragmentLengthInMilliseconds", f.length)
	out.Close()
}
