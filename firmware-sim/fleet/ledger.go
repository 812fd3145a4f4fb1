package fleet

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	ledgerPause = 50 * time.Millisecond // between two syncs of the oracle
	ledgerMost  = 1 << 18               // acknowledgements that may wait for one
)

// ack is one acknowledged message.
type ack struct {
	node *node
	n    uint64
	sent int64 // Unix milliseconds
}

// ledger writes acknowledgements to the oracle in groups and counts them once
// they are synced. Without a file it only counts.
type ledger struct {
	file    *os.File // nil: no oracle
	counted func(int)
	wake    chan struct{}

	mu      sync.Mutex
	room    sync.Cond // on mu: waiting shrank
	waiting []ack
	failed  error
}

func newLedger(file *os.File, counted func(int)) *ledger {
	l := &ledger{file: file, counted: counted, wake: make(chan struct{}, 1)}
	l.room.L = &l.mu
	return l
}

// add takes one acknowledgement. It blocks while too many wait, which makes
// the connection it came from wait too.
func (l *ledger) add(a ack) {
	if l.file == nil {
		l.counted(1)
		return
	}
	l.mu.Lock()
	for len(l.waiting) >= ledgerMost && l.failed == nil {
		l.room.Wait()
	}
	l.waiting = append(l.waiting, a)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run writes until stop is closed, then writes what is left. An error is final.
func (l *ledger) run(stop <-chan struct{}) error {
	if l.file == nil {
		<-stop
		return nil
	}
	var spare []ack
	var text []byte
	for last := false; !last; {
		select {
		case <-l.wake:
		case <-stop:
			last = true
		}
		l.mu.Lock()
		group := l.waiting
		l.waiting = spare[:0]
		l.room.Broadcast()
		l.mu.Unlock()
		if text = appendGroup(text[:0], group); len(text) > 0 {
			if err := l.write(text); err != nil {
				return err
			}
			l.counted(len(group))
		}
		clear(group)
		spare = group
		select { // let a group gather: each sync wears the disk
		case <-time.After(ledgerPause):
		case <-stop:
		}
	}
	return nil
}

func (l *ledger) write(text []byte) error {
	_, err := l.file.Write(text)
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		err = fmt.Errorf("write oracle: %w", err)
		l.mu.Lock()
		l.failed = err
		l.room.Broadcast()
		l.mu.Unlock()
	}
	return err
}

// appendGroup writes a group as runs by device.
func appendGroup(b []byte, group []ack) []byte {
	slices.SortFunc(group, func(x, y ack) int {
		return cmp.Or(cmp.Compare(x.node.number, y.node.number), cmp.Compare(x.n, y.n))
	})
	for i := 0; i < len(group); {
		end := i + 1
		for end < len(group) && group[end].node == group[i].node && group[end].n == group[end-1].n+1 {
			end++
		}
		start := len(b)
		b = append(b, group[i].node.name...)
		b = strconv.AppendUint(append(b, ' '), group[i].n, 10)
		b = strconv.AppendUint(append(b, ' '), group[end-1].n, 10)
		b = strconv.AppendInt(append(b, ' '), group[i].sent, 10)
		b = append(b, ' ', '0'+group[i].node.qos)
		b = closeLine(b, start)
		i = end
	}
	return b
}
