package main

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"headgate/deploy/bench/internal/child"
)

// cycle is how long records wait for company, as long as in headgate.
const cycle = 25 * time.Millisecond

// throughPebble puts the same records, as they come, one by one under shard
// and sequence number into a Pebble that was told nothing: what somebody does
// who takes a good store and no further thought.
func throughPebble(s settings, folder string, rate int) (Result, error) {
	r := Result{Store: "pebble defaults"}
	files := &counting{FS: vfs.Default}
	db, err := pebble.Open(folder, &pebble.Options{FS: files, Logger: silent{}})
	if err != nil {
		return r, fmt.Errorf("open pebble: %w", err)
	}
	defer db.Close()
	written, syncs := files.written.Load(), files.syncs.Load()
	before, err := child.Measure(os.Getpid())
	if err != nil {
		return r, err
	}
	began := time.Now()
	if err := fill(db, s, rate, &r); err != nil {
		return r, err
	}
	took := time.Since(began).Seconds()
	after, err := child.Measure(os.Getpid())
	if err != nil {
		return r, err
	}
	payload := float64(r.Payload)
	r.Passed = float64(files.written.Load()-written) / payload
	r.Device = float64(after.Device-before.Device) / payload
	r.Syncs = float64(files.syncs.Load()-syncs) / float64(r.Records)
	r.SyncRate = float64(files.syncs.Load()-syncs) / took
	if err := db.Flush(); err != nil {
		return r, fmt.Errorf("flush: %w", err)
	}
	r.Settled = float64(files.written.Load()-written) / payload
	if u, err := db.EstimateDiskUsage([]byte{0}, []byte{0xff}); err == nil && u > 0 {
		r.Ratio = payload / float64(u)
	}
	return r, nil
}

// fill writes what came in each cycle as one synced batch.
func fill(db *pebble.DB, s settings, rate int, r *Result) error {
	all, err := sensors(s.payload, rate)
	if err != nil {
		return err
	}
	var next [16]uint64
	var key, value []byte
	began := time.Now()
	for total := rate * s.seconds; r.Records < total; {
		time.Sleep(cycle - time.Since(began)%cycle)
		due := min(total, int(time.Since(began).Seconds()*float64(rate)))
		if due == r.Records {
			continue
		}
		batch := db.NewBatch()
		for ; r.Records < due; r.Records++ {
			one := all[r.Records%len(all)]
			hash := fnv.New64a()
			hash.Write([]byte(one.id))
			shard := hash.Sum64() % 16
			next[shard]++
			key = binary.BigEndian.AppendUint64(append(key[:0], byte(shard)), next[shard])
			value = one.append(value[:0])
			r.Payload += uint64(len(value))
			if err := batch.Set(key, value, nil); err != nil {
				return fmt.Errorf("put: %w", err)
			}
		}
		if err := batch.Commit(pebble.Sync); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	return nil
}

// silent keeps pebble from printing.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// Fatalf must not return.
func (silent) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
