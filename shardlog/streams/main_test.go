package streams_test

import (
	"testing"

	"headgate/shardlog/block"
)

// Decoders are shared by the whole process and hold channels, which must not
// be made in a bubble: blocks are opened outside of all of them.
var (
	sealed = make(chan []byte)
	opened = make(chan *block.Block)
)

func TestMain(m *testing.M) {
	go func() {
		for b := range sealed {
			open, err := block.Open(b)
			if err != nil {
				panic(err)
			}
			opened <- open
		}
	}()
	m.Run()
}
