package store_test

import (
	"path/filepath"
	"testing"

	"headgate/shardlog"
)

// A command that fails because of the disk here would be applied elsewhere:
// somebody is told.
func TestAChangeOfACellThatRottedIsTold(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	var all []shardlog.Mutation
	for n := range 200 {
		m := shardlog.Mutation{Space: "x", Key: noise(n)[:20]}
		for len(m.Value) < 4000 { // so that the middle of the table holds nothing else
			m.Value = append(m.Value, noise(n*100+len(m.Value))...)
		}
		all = append(all, m)
	}
	w.do(shardlog.Mutate{At: w.at, Mutations: all})
	w.s.Close()
	w = open(t, dir, nil) // which makes a table of the write-ahead log
	w.s.Close()
	flip(t, newest(t, filepath.Join(dir, "pebble", "*.sst")))
	w = open(t, dir, nil)
	defer w.s.Close()
	told, failed := 0, 0
	w.s.SetUnread(func(err error) { told++ })
	for _, m := range all {
		m.Value = []byte("new")
		if out := w.do(shardlog.Mutate{At: w.at, Mutations: []shardlog.Mutation{m}}); out[0].Err != nil {
			failed++
		}
	}
	if told == 0 || told != failed {
		t.Fatalf("%d commands failed, %d were told", failed, told)
	}
}
