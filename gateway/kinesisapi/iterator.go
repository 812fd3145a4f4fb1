package kinesisapi

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// iterator is a place in a shard as a client carries it.
type iterator struct {
	shard shardlog.ShardID
	next  shardlog.Seq        // zero: the horizon
	name  shardlog.StreamName // for the errors about a stream that is gone
}

const iteratorPurpose = "shard iterator"

func (a *API) sealIterator(ctx context.Context, it iterator) (string, error) {
	content := make([]byte, 0, 16+len(it.name))
	content = binary.BigEndian.AppendUint32(content, uint32(it.shard.Stream))
	content = binary.BigEndian.AppendUint32(content, it.shard.Number)
	content = binary.BigEndian.AppendUint64(content, uint64(it.next))
	return a.tokens.seal(ctx, iteratorPurpose, append(content, it.name...))
}

// openIterator reads an iterator. Literal quotes around it, which the AWS
// command line leaves there, are no part of it.
func (a *API) openIterator(ctx context.Context, text string) (iterator, error) {
	content, issued, err := a.tokens.open(ctx, iteratorPurpose, strings.Trim(text, `"`))
	if errors.Is(err, errForged) || err == nil && len(content) < 16 {
		return iterator{}, awsapi.Fail(invalidArgument, "Invalid ShardIterator.")
	}
	if err != nil {
		return iterator{}, err
	}
	if a.tokens.expired(issued) {
		const layout = "Mon Jan 02 15:04:05 UTC 2006"
		return iterator{}, awsapi.Fail(expiredIterator,
			"Iterator expired. The iterator was created at time %s while right now it is %s "+
				"which is further in the future than the tolerated delay of %d milliseconds.",
			issued.UTC().Format(layout), a.now().UTC().Format(layout), a.tokens.life/time.Millisecond)
	}
	return iterator{
		shard: shardlog.ShardID{Stream: shardlog.StreamID(binary.BigEndian.Uint32(content)), Number: binary.BigEndian.Uint32(content[4:])},
		next:  shardlog.Seq(binary.BigEndian.Uint64(content[8:])),
		name:  shardlog.StreamName(content[16:]),
	}, nil
}
