package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// send brings the objects of an intent to the sink and finishes it, or seals
// it anew when the sink or the log will not have it as it is.
func (ln *lane) send(ctx context.Context, in intent) error {
	codecs, err := ln.d.codecs(in.Format)
	if err != nil {
		return err
	}
	// What this process has not sealed itself may have been sent by the one before.
	fresh := ln.fresh != "" && ln.fresh == in.parts()[0].ID
	ln.fresh = ""
	held, err := ln.held(ctx, in)
	if err != nil {
		return err
	}
	objects := make([]object, 0, len(in.Parts)+2)
	for _, p := range in.parts() {
		objects = append(objects, object{to: ln.d.data, part: p, encoder: codecs.data, fresh: fresh, held: held})
	}
	objects = append(objects, object{to: ln.d.errors, part: in.Errors, encoder: errorEncoder{codec: codecs.lines, shard: ln.shard, refused: in.refused}, refused: true, fresh: fresh})
	for _, o := range objects {
		if o.part.Count == 0 {
			continue
		}
		if resealed, err := ln.deliver(ctx, in, o); err != nil || resealed {
			return err
		}
	}
	next := ln.state.finish(in)
	next.Totals.add(in.totals())
	if err := ln.save(ctx, next); err != nil {
		return err
	}
	ln.d.pace.add(time.Now(), uint64(in.Last+1-in.From))
	return nil
}

// object is one object of an intent on its way.
type object struct {
	to      outlet
	part    part
	encoder firehose.Encoder
	refused bool                         // it holds what was refused
	fresh   bool                         // nobody has sent it
	held    map[string][]firehose.Record // of all objects, by partition; nil: they are read from the log
}

// deliver tries until the object is there. It answers resealed when the
// intent was replaced by another.
func (ln *lane) deliver(ctx context.Context, in intent, o object) (resealed bool, err error) {
	patience := ln.d.patience(o)
	for attempt := 1; ; attempt++ {
		r, err := ln.attempt(ctx, ln.batch(in, o, attempt > 1 || !o.fresh), o.to)
		if err != nil {
			return false, err
		}
		if !r.Done() && ctx.Err() != nil {
			return false, ctx.Err()
		}
		ln.d.count(r)
		if r.Done() {
			ln.d.healed()
			ln.d.limit.grow()
			return false, nil
		}
		ln.d.note(r.Err)
		switch {
		case errors.Is(r.Err, firehose.ErrChanged):
			return true, ln.reseal(ctx, in, in.Last, in.Refused)
		case r.Class == firehose.TooLarge:
			ln.d.limit.shrink(o.part.Bytes)
			return true, ln.halve(ctx, in, codeTooLarge, r, attempt)
		case r.Class == firehose.Poison && len(r.Items) > 0:
			return true, ln.refuseItems(ctx, in, r, attempt)
		case r.Class == firehose.Poison:
			return true, ln.halve(ctx, in, codePoison, r, attempt)
		case r.Class == firehose.Auth || r.Class == firehose.Config:
			// the gate holds everybody
		case patience.tried():
			return true, ln.abandon(ctx, in, r, attempt)
		default:
			if err := pause(ctx, backoff(attempt, r.RetryAfter)); err != nil {
				return false, err
			}
		}
	}
}

// attempt passes the gate and tries once. The last output cannot refuse: its
// gate is shut until somebody has looked.
func (ln *lane) attempt(ctx context.Context, b *firehose.Batch, to outlet) (firehose.Result, error) {
	probe, err := to.gate.enter(ctx)
	if err != nil {
		return firehose.Result{}, err
	}
	if err := ln.d.window.enter(ctx); err != nil {
		to.gate.abandon()
		return firehose.Result{}, err
	}
	began := time.Now()
	var r firehose.Result
	if probe {
		r = to.sink.Probe(ctx)
	}
	// A probe that reached the sink and was denied proves little: rights to
	// write are not rights to look.
	if r.Class != firehose.Transient && r.Class != firehose.Throttled {
		r = to.sink.Deliver(ctx, b)
	}
	ln.d.window.leave(r, began)
	if r.Err == nil && !r.Done() {
		r.Err = errors.New("the destination did not take it: " + r.Class.String())
	}
	if to.last && (r.Class == firehose.Poison || r.Class == firehose.TooLarge) {
		r = firehose.Fail(firehose.Config, fmt.Errorf("the destination refuses the error object %s: %w", b.Object, r.Err))
	}
	var source *firehose.SourceError
	if errors.As(r.Err, &source) || errors.Is(r.Err, firehose.ErrChanged) || ctx.Err() != nil {
		to.gate.abandon() // the sink is not to blame
		return r, nil
	}
	to.gate.leave(r)
	return r, nil
}

// reseal replaces an intent by one over what its range holds now up to last.
// What lies behind last is sealed later.
func (ln *lane) reseal(ctx context.Context, in intent, last shardlog.Seq, refused []refusal) error {
	if in.Transform != "" && in.Transform != ln.d.transform {
		// Its transform is gone: what the present one makes must not go out under the old name.
		in.Version, in.Format, in.Transform = ln.d.namer.version, ln.d.c.Spec.format(), ln.d.transform
	}
	t, err := ln.retally(ctx, in, last, refused)
	if err != nil {
		return err
	}
	anew := t.intent(ln.shard.ID, ln.d.namer.as(in.Version, ln.d.c.Spec.Extension, t.codecs), in.Format)
	anew.Transform = in.Transform
	next := ln.state
	next.Intents = []intent{anew}
	return ln.save(ctx, next)
}

// halve seals the first half of the intent's range. A single record goes to
// the error output.
func (ln *lane) halve(ctx context.Context, in intent, code string, r firehose.Result, attempt int) error {
	if in.First == 0 || in.Last > in.First {
		ln.d.countBisect()
		return ln.reseal(ctx, in, in.First+(in.Last-in.First)/2, in.Refused)
	}
	return ln.reseal(ctx, in, in.Last, append(in.Refused, refuse(in.First, code, r.Err.Error(), attempt, time.Now())))
}

// refuseItems sends the records that the sink named to the error output.
func (ln *lane) refuseItems(ctx context.Context, in intent, r firehose.Result, attempt int) error {
	refused := in.Refused
	for _, item := range r.Items {
		if _, known := in.refused(item.Seq); known || item.Seq < in.From || item.Seq > in.Last {
			continue
		}
		if len(refused) >= maxRefused {
			return ln.halve(ctx, in, codePoison, r, attempt)
		}
		refused = append(refused, refuse(item.Seq, item.Code, item.Message, attempt, time.Now()))
	}
	if len(refused) == len(in.Refused) {
		return ln.halve(ctx, in, codePoison, r, attempt)
	}
	return ln.reseal(ctx, in, in.Last, refused)
}
