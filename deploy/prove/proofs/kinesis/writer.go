package main

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// writer writes numbered records of many keys. A record is put again until it
// is acknowledged, and the next one of its key only then: the order in which a
// key's numbers first appear is theirs.
type writer struct {
	k      *kinesis.Client
	stream string
	mu     sync.Mutex
	acked  map[string]int // guarded by mu: by key, the numbers from 0 on
	open   map[string]int // the key's number that has no answer yet
}

const keys = 60

func newWriter(k *kinesis.Client, stream string) *writer {
	return &writer{k: k, stream: stream, acked: map[string]int{}, open: map[string]int{}}
}

func (w *writer) run(ctx context.Context) error {
	for i := range keys {
		w.open[fmt.Sprint("order-", i)] = 0
	}
	for ctx.Err() == nil {
		batch := make([]types.PutRecordsRequestEntry, 0, keys)
		for key, n := range w.open {
			batch = append(batch, types.PutRecordsRequestEntry{PartitionKey: aws.String(key), Data: []byte(key + " " + strconv.Itoa(n))})
		}
		out, err := w.k.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &w.stream, Records: batch})
		if err != nil { // killed, or at the end of the time: nothing is known of any of them
			_ = wait(ctx, 50*time.Millisecond) // the loop asks ctx
			continue
		}
		for i, r := range out.Records {
			if r.SequenceNumber == nil {
				continue // throttled: again
			}
			key := *batch[i].PartitionKey
			w.open[key]++
			w.mu.Lock()
			w.acked[key] = w.open[key]
			w.mu.Unlock()
		}
		_ = wait(ctx, 50*time.Millisecond) // the loop asks ctx
	}
	return nil
}

// ended is what was acknowledged, by key.
func (w *writer) ended() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.acked)
}

// parse takes key and number out of a record.
func parse(data []byte) (key string, n int, err error) {
	key, number, ok := strings.Cut(string(data), " ")
	if n, err = strconv.Atoi(number); !ok || err != nil {
		return "", 0, fmt.Errorf("a record of ours holds %q", data)
	}
	return key, n, nil
}
