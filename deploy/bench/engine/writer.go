package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// shardsOf gives each writer a shard of its own, so that it can number its records.
func shardsOf(p plan) int { return (p.Writers + p.Streams - 1) / p.Streams }

// writer seals one record a block and waits for it, again and again.
type writer struct {
	stream  int
	shard   uint32
	data    []byte
	noise   *rand.ChaCha8
	builder block.Builder
}

func newWriter(p plan, i int) *writer {
	return &writer{
		stream: i % p.Streams, shard: uint32(i / p.Streams), data: make([]byte, p.Size),
		noise: rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(time.Now().UnixNano())}),
	}
}

func (w *writer) run(ctx context.Context, to *pool, counting *atomic.Bool, total *atomic.Uint64) (waits []time.Duration, _ error) {
	done := make(chan error, 1)
	for seq := shardlog.Seq(1); ctx.Err() == nil; seq++ {
		_, _ = w.noise.Read(w.data)
		start := time.Now()
		sealed, err := w.seal(to, seq)
		if err != nil {
			return waits, err
		}
		select {
		case to.blocks <- request{sealed, done}:
		case <-ctx.Done():
			return waits, nil
		}
		if err := <-done; err != nil {
			return waits, fmt.Errorf("stream %d shard %d at %d: %w", w.stream, w.shard, seq, err)
		}
		total.Add(1)
		if counting.Load() {
			waits = append(waits, time.Since(start))
		}
	}
	return waits, nil
}

func (w *writer) seal(to *pool, seq shardlog.Seq) (shardlog.SealedBlock, error) {
	id := to.ids[w.stream]
	w.builder.Add(w.shard, shardlog.Entry{Key: "device", Data: w.data})
	b, err := w.builder.Seal(block.Head{Stream: id, At: to.at}, func(uint32) shardlog.Seq { return seq })
	return shardlog.SealedBlock{Stream: id, Class: shardlog.Telemetry, Bytes: b}, err
}
