package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/store"
)

// TestReadersAskForWhatTheyMiss takes a block out of the middle and has a
// mender put it back, or not.
func TestReadersAskForWhatTheyMiss(t *testing.T) {
	for _, helps := range []bool{true, false} {
		t.Run(fmt.Sprint("helps ", helps), func(t *testing.T) {
			dir := t.TempDir()
			w := open(t, dir, nil)
			st := w.create("s", 1)
			for n := range 200 {
				w.put("s", 1, uint64(n+1), fmt.Sprint("record ", n))
			}
			var keys []store.BlockKey
			if err := w.s.Keys(store.ExtentKey{Class: shardlog.Telemetry, Bucket: 1, Stream: st.ID}, func(k store.BlockKey, _ int) error {
				keys = append(keys, k)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			lost := keys[77]
			sealed, err := w.s.Block(lost)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.s.Lose(lost); err != nil {
				t.Fatal(err)
			}
			w.s.Close()
			w = open(t, dir, nil)
			defer func() { w.s.Close() }()
			asked := 0
			w.s.SetMender(func(context.Context) error {
				asked++
				if !helps {
					return errors.New("nobody has it")
				}
				return w.s.Repair(lost, sealed)
			})
			data, gaps := w.all(st.Shards[0].ID, 50)
			switch {
			case helps && (len(data) != 200 || len(gaps) != 0 || asked != 1):
				t.Errorf("%d records, gaps %v, asked %d times", len(data), gaps, asked)
			case !helps && (len(data) != 199 || len(gaps) != 1 || asked != 1):
				t.Errorf("%d records, gaps %v, asked %d times", len(data), gaps, asked)
			}
			if holes, err := w.s.Holes(); err != nil || holes != 1 { // RepairFrom would look again
				t.Errorf("%d holes, %v", holes, err)
			}
		})
	}
}
