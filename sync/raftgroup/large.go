package raftgroup

import (
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// An entry with a large record has 10 MiB and more, and the engine takes up to
// maxAppendEntries at once into memory: for each follower that lags, and there
// again. So it is handed large entries *light*, with a mark in the place of
// their data, and the data are read where they are needed: an entry at a time.

// largeEntry is from which size on an entry is light, and what one message to
// a follower holds unless one entry alone is larger.
const largeEntry = 2 * shardlog.MaxCommandBytes

// lightened is the entry without its data. The mark is no wire form of
// commands: those begin with a version, which is never zero.
func lightened(log raft.Log) raft.Log {
	log.Data = []byte{0}
	return log
}

func light(log *raft.Log) bool {
	return log.Type == raft.LogCommand && len(log.Data) == 1 && log.Data[0] == 0
}

// full is the entry with its data, and the entry itself when it has them.
func (l *logStore) full(log *raft.Log) (*raft.Log, error) {
	if !light(log) {
		return log, nil
	}
	e, err := l.journal.Entry(log.Index)
	if err != nil {
		return nil, fmt.Errorf("read journal entry %d: %w", log.Index, err)
	}
	if e.Term != log.Term {
		return nil, shardlog.Errorf(shardlog.Unavailable, "read journal", "entry %d is of another term by now", log.Index)
	}
	whole := *log
	whole.Data = e.Data
	return &whole, nil
}

// part takes entries off for one message. It answers those that are left.
func (l *logStore) part(entries []*raft.Log) (taken, rest []*raft.Log, err error) {
	bytes := 0
	for i, e := range entries {
		if i > 0 && light(e) {
			return taken, entries[i:], nil
		}
		whole, err := l.full(e)
		if err != nil {
			return nil, nil, err
		}
		if bytes += len(whole.Data); i > 0 && bytes > largeEntry {
			return taken, entries[i:], nil
		}
		taken = append(taken, whole)
	}
	return taken, nil, nil
}

// A call's deadline is meant for what takes no time to send. A write goes in
// pieces, each of which has the call's patience again; what the kernel still
// holds when all is written gets the time that a slow link needs for it.
const (
	writePiece = 64 << 10
	slowLink   = 32 << 10 // bytes a second
	kernelHold = 4 << 20
)

// SetDeadline bounds the next call.
func (t *tracked) SetDeadline(at time.Time) error {
	t.patience = time.Until(at)
	return t.Conn.SetDeadline(at)
}

// Write writes all of b, as long as the peer takes something in time.
func (t *tracked) Write(b []byte) (n int, err error) {
	if len(b) <= writePiece || t.patience <= 0 {
		return t.Conn.Write(b)
	}
	for n < len(b) && err == nil {
		if err = t.Conn.SetDeadline(time.Now().Add(t.patience)); err != nil {
			return n, err
		}
		var m int
		m, err = t.Conn.Write(b[n:min(n+writePiece, len(b))])
		n += m
	}
	if err != nil {
		return n, err
	}
	held := time.Duration(min(len(b), kernelHold)) * time.Second / slowLink
	return n, t.Conn.SetDeadline(time.Now().Add(t.patience + held))
}

var _ net.Conn = (*tracked)(nil)
