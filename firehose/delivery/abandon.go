package delivery

import (
	"context"
	"fmt"
	"time"

	"headgate/firehose"
)

// codeRetries is of records whose destination did not take them for as long
// as the delivery says.
const codeRetries = "Destination.RetriesExhausted"

// patience is how long one object may still be tried. Time counts while the
// link is up only: days offline must not send anything to the error output.
type patience struct {
	most   time.Duration // zero: for ever
	uptime func() time.Duration
	since  time.Duration // uptime at the first failure
	began  bool
}

// tried reports, after a failure, whether it is at an end.
func (p *patience) tried() (over bool) {
	now := p.uptime()
	if !p.began {
		p.began, p.since = true, now
	}
	return p.most > 0 && now-p.since >= p.most
}

// patience is for an object on its way. Where there is no other output to
// divert to, it never ends.
func (d *Delivery) patience(o object) *patience {
	p := &patience{uptime: d.c.Uptime}
	if !o.to.last && d.c.Errors != nil {
		p.most = d.c.Spec.retry()
	}
	return p
}

// abandon seals the intent's records for the error output, all of them.
func (ln *lane) abandon(ctx context.Context, in intent, r firehose.Result, attempts int) error {
	codecs, err := ln.d.codecs(in.Format)
	if err != nil {
		return err
	}
	why := refuse(0, codeRetries, r.Err.Error(), attempts, time.Now())
	t := newTally(in.From, codecs, ln)
	t.abandoned = &why
	for s, err := range ln.sources(ctx, nil, in.From, in.Last) {
		if err != nil {
			return err
		}
		because, known := in.refused(s.Seq)
		if !known {
			because = why
		}
		if err := t.reject(s.Record, because); err != nil {
			return err
		}
	}
	t.until = in.Last
	anew := t.intent(ln.shard.ID, ln.d.namer.as(in.Version, ln.d.c.Spec.Extension, codecs), in.Format)
	anew.Transform, anew.Abandoned = in.Transform, &why
	next := ln.state
	next.Intents = []intent{anew}
	ln.d.note(fmt.Errorf("given up after %s of trying, to the error output: %w", ln.d.c.Spec.retry(), r.Err))
	return ln.save(ctx, next)
}
