package kinesisapi

import (
	"context"
	"fmt"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// placing is where the records of one call go in their stream.
type placing struct {
	set  settings
	open []shardlog.Shard // with AUTO: they take turns
	next uint32
}

func (a *API) placing(ctx context.Context, stream shardlog.Stream) (p placing, err error) {
	if p.set, err = a.settingsOf(ctx, stream.ID); err != nil {
		return p, &about{stream.Name, err}
	}
	if p.set.Auto {
		p.open, p.next = openShards(stream), a.turn.Add(1)
	}
	return p, nil
}

// place gives an entry its explicit hash: the producer's, or with AUTO that of
// the shard whose turn it is. n is the entry's number in the request, from one
// on, for errors; zero when it is the only one.
func (p *placing) place(e *shardlog.Entry, explicit string, n int) (err error) {
	if p.set.Auto && len(p.open) > 0 {
		start := p.open[int(p.next)%len(p.open)].From
		e.Hash = &start
		p.next++
		return nil
	}
	if e.Key == "" {
		at := "partitionKey"
		if n > 0 {
			at = fmt.Sprintf("records.%d.member.partitionKey", n)
		}
		return awsapi.Invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", at)
	}
	if explicit == "" { // or it has been read already
		return nil
	}
	e.Hash, err = explicitHash(explicit)
	return err
}
