package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// stream is what the writers write to; the devices' is telemetry.
const stream = "puts"

func (s *site) makeStreams(ctx context.Context) error {
	k := s.nodes[0].reader()
	if _, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(4)}); err != nil {
		return err
	}
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		d, err := k.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(stream)})
		if err != nil || d.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return err
		}
	}
}

const writers = 4

// load begins to write and answers how to end it. Each record is handed in
// once; what became of one whose answer is missing is nobody's promise.
func (s *site) load() (end func()) {
	var stop atomic.Bool
	var all sync.WaitGroup
	for i := range writers {
		random := rand.New(rand.NewPCG(s.random.Uint64(), uint64(i)))
		k := s.nodes[i%len(s.nodes)].writer()
		all.Go(func() {
			for !stop.Load() {
				if err := s.put(k, random, i == 0); err != nil {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	return func() {
		stop.Store(true)
		all.Wait()
	}
}

// put hands in some records, large ones or small ones, and notes the answer.
func (s *site) put(k *kinesis.Client, random *rand.Rand, large bool) error {
	n, size := 1+random.IntN(40), 20+random.IntN(600)
	if large {
		n, size = 1+random.IntN(8), 1+random.IntN(60_000)
	}
	in, ids := make([]types.PutRecordsRequestEntry, n), make([]uint64, n)
	for i := range in {
		in[i].PartitionKey = aws.String(fmt.Sprint(random.IntN(64)))
		in[i].Data, ids[i] = s.book.hand(random, *in[i].PartitionKey, size)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := k.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String(stream), Records: in})
	if err != nil {
		return err
	}
	for i, r := range out.Records {
		if r.ErrorCode == nil {
			s.book.acknowledged(ids[i], place{*r.ShardId, *r.SequenceNumber})
		} else {
			err = errors.New(*r.ErrorCode)
		}
	}
	return err
}

// hand makes the data of a record: its id and noise.
func (b *book) hand(random *rand.Rand, key string, size int) (data []byte, id uint64) {
	data = make([]byte, 8+size)
	for i := 8; i < len(data); i++ {
		data[i] = byte(random.Uint32() & 0x3f) // compresses a little
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	binary.BigEndian.PutUint64(data, b.last)
	b.handed[b.last] = content(key, data)
	return data, b.last
}
