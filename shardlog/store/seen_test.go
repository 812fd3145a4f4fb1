package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"headgate/shardlog"
)

// TestWhatWasReadIsNeverOld: values that were read from the disk, or were not
// there, are answered as the latest mutation left them, over flushes.
func TestWhatWasReadIsNeverOld(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	w := open(t, dir, nil)
	chance, want := rand.New(rand.NewPCG(1, 2)), map[string]string{}
	for step := range 20_000 {
		key := fmt.Sprint("k", chance.IntN([]int{100, 3000}[step%2])) // few, and more than are kept
		switch chance.IntN(8) {
		case 0:
			m := shardlog.Mutation{Space: "x", Key: key, Value: []byte(fmt.Sprint(step, strings.Repeat("x", chance.IntN(3)*5000)))}
			if chance.IntN(3) == 0 {
				m.Value = nil
			}
			if out := w.do(shardlog.Mutate{At: w.at, Mutations: []shardlog.Mutation{m}}); out[0].Err != nil {
				t.Fatal(out[0].Err)
			}
			delete(want, key)
			if m.Value != nil {
				want[key] = string(m.Value)
			}
		case 1:
			if step%50 == 0 { // a start has everything on the disk
				w.s.Close()
				w = open(t, dir, nil)
			}
		default:
			value, _, err := w.s.Get(ctx, "x", key)
			if known, ok := want[key]; ok && (err != nil || string(value) != known) || !ok && shardlog.KindOf(err) != shardlog.NotFound {
				t.Fatalf("step %d: %s is %.20q, want %.20q: %v", step, key, value, known, err)
			}
		}
	}
	w.s.Close()
}
