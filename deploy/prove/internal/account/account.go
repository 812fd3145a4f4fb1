// Package account holds what devices were told is stored against what a stream
// holds, as an AWS SDK reads it. It knows no gateway's inside.
package account

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fleet"
)

// Message is a payload's identity.
type Message struct {
	Device device.ID
	Number uint64
}

// Found is what a stream holds.
type Found struct {
	Records, Altered, Twice uint64 // Twice: sequence numbers that were given twice
	Messages                map[Message]int
	Sum                     [32]byte // over all records, shard by shard: equal streams have equal sums
}

// Client is an AWS SDK's client of a gateway that asks nobody for credentials.
func Client(api string) *kinesis.Client { return ClientOf(api, "any", "thing") }

// ClientOf is an AWS SDK's client with a key of its own.
func ClientOf(api, key, secret string) *kinesis.Client {
	return kinesis.New(kinesis.Options{BaseEndpoint: aws.String("http://" + api), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
}

// Read reads a whole stream.
func Read(ctx context.Context, k *kinesis.Client, name string) (*Found, error) {
	f, numbers, sum := &Found{Messages: map[Message]int{}}, map[string]bool{}, sha256.New()
	err := Records(ctx, k, name, func(r types.Record) {
		if numbers[*r.SequenceNumber] {
			f.Twice++
		}
		numbers[*r.SequenceNumber] = true
		sum.Write([]byte(*r.SequenceNumber))
		sum.Write(r.Data)
		f.add(r.Data)
	})
	sum.Sum(f.Sum[:0])
	return f, err
}

// Records reads a whole stream, shard by shard and each in order.
func Records(ctx context.Context, k *kinesis.Client, name string, each func(types.Record)) error {
	stream := aws.String(name)
	shards, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: stream})
	if err != nil {
		return err
	}
	for _, sh := range shards.Shards {
		at, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: stream, ShardId: sh.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			return err
		}
		for next, behind := at.ShardIterator, int64(1); next != nil && behind > 0; {
			out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
			var throttled *types.ProvisionedThroughputExceededException
			if errors.As(err, &throttled) {
				time.Sleep(200 * time.Millisecond) // a shard gives five reads a second
				continue
			}
			if err != nil {
				return err
			}
			for _, r := range out.Records {
				each(r)
			}
			next, behind = out.NextShardIterator, aws.ToInt64(out.MillisBehindLatest)
		}
	}
	return nil
}

func (f *Found) add(data []byte) {
	f.Records++
	id, n, err := device.Identify(data)
	if err != nil || !device.Whole(data) {
		f.Altered++
		return
	}
	f.Messages[Message{id, n}]++
}

// Difference is what was acknowledged against what is there.
type Difference struct{ Missing, Repeated uint64 }

// Compare counts what of the acknowledged messages is missing, and what is
// there more than once.
func Compare(f *Found, acked ...*fleet.Acked) (d Difference) {
	for _, one := range acked {
		for id, a := range one.Devices {
			for n := uint64(0); n <= a.Numbers.Max(); n++ {
				if a.Numbers.Has(n) && f.Messages[Message{id, n}] == 0 {
					d.Missing++
				}
			}
		}
	}
	for _, c := range f.Messages {
		d.Repeated += uint64(c - 1)
	}
	return d
}
