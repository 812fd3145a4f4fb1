package forward_test

import (
	"slices"
	"sync"

	"headgate/shardlog"
	"headgate/sync/forward"
)

// disk is a spool and notes in memory, which outlive the carriers over them.
type disk struct {
	mu    sync.Mutex
	first uint64
	rows  [][]byte
	notes map[string][]byte
	// appending, when set, is asked before rows are appended.
	appending func() error
	broken    bool // nothing can be read
	syncs     int
}

func newDisk() *disk { return &disk{first: 1, notes: map[string][]byte{}} }

func (d *disk) Append(rows [][]byte) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.appending != nil {
		if err := d.appending(); err != nil {
			return 0, err
		}
	}
	d.syncs++
	number := d.first + uint64(len(d.rows))
	for _, r := range rows {
		d.rows = append(d.rows, slices.Clone(r))
	}
	return number, nil
}

func (d *disk) Read(from uint64, maxBytes int) ([]forward.Row, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		return nil, shardlog.Errorf(shardlog.Internal, "read", "broken")
	}
	var out []forward.Row
	for n := max(from, d.first); n < d.first+uint64(len(d.rows)); n++ {
		b := d.rows[n-d.first]
		if b == nil {
			continue
		}
		if maxBytes -= len(b); maxBytes < 0 && len(out) > 0 {
			break
		}
		out = append(out, forward.Row{Number: n, Bytes: slices.Clone(b)})
	}
	return out, nil
}

func (d *disk) Drop(through uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.first <= through && len(d.rows) > 0 {
		d.first, d.rows = d.first+1, d.rows[1:]
	}
	return nil
}

func (d *disk) Stats() forward.SpoolStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := forward.SpoolStats{First: d.first, Last: d.first + uint64(len(d.rows)) - 1}
	for _, r := range d.rows {
		s.Bytes += int64(len(r))
	}
	return s
}

func (d *disk) SetLocal(key string, value []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notes[key] = slices.Clone(value)
	return nil
}

func (d *disk) Local(key string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v, ok := d.notes[key]; ok {
		return slices.Clone(v), nil
	}
	return nil, shardlog.Errorf(shardlog.NotFound, "local", "%s", key)
}

// breaks makes every read fail, or none.
func (d *disk) breaks(now bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = now
}

// spoil damages a row.
func (d *disk) spoil(number uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows[number-d.first][3] ^= 0xff
}

// lose sets a row aside.
func (d *disk) lose(number uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows[number-d.first] = nil
}
