package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

// Spool is a durable queue of rows that are this box's own: what a gateway
// acknowledged while it was alone. Rows are opaque and numbered from 1 on; a
// number is never given twice. Its methods may be called from any goroutine.
type Spool struct {
	s *Store

	mu      sync.Mutex // guards the rest, and the order of writes
	count   spoolCount
	dropped uint64 // bytes since the last flush for their sake
}

// Row is one row of the spool. Its Bytes are the caller's.
type Row struct {
	Seq   uint64
	Bytes []byte
}

// SpoolStats is what the spool holds. While it is empty, First is the number of
// the row to come, and Last the one before.
type SpoolStats struct {
	Rows, Bytes uint64 // Bytes as given to Append
	First, Last uint64
}

// Spool is the store's spool.
func (s *Store) Spool() *Spool { return &s.spool }

// A spool row is format(1) bytes CRC-32C(4, little-endian); the checksum is
// over all before it.
const (
	spoolFormat   = 1
	spoolOverhead = 1 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func spoolKey(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte{prefixSpool}, seq) }

func spoolValue(row []byte) []byte {
	b := append(make([]byte, 0, len(row)+spoolOverhead), spoolFormat)
	b = append(b, row...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parseSpoolValue answers the row; it aliases b. Kind Corrupt.
func parseSpoolValue(b []byte) ([]byte, error) {
	if len(b) < spoolOverhead || b[0] != spoolFormat {
		return nil, shardlog.Errorf(shardlog.Corrupt, "read spool", "no row of format %d", spoolFormat)
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, shardlog.Errorf(shardlog.Corrupt, "read spool", "checksum does not fit")
	}
	return body[1:], nil
}

// Append adds the rows behind the last one and returns the first one's number
// when all of them are on the disk: one synced write. All of them are there
// after a crash, or none.
func (sp *Spool) Append(rows [][]byte) (first uint64, err error) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	after := sp.count
	first = after.next
	b := sp.s.db.NewBatch()
	defer b.Close()
	for _, row := range rows {
		if err := b.Set(spoolKey(after.next), spoolValue(row), nil); err != nil {
			return 0, err
		}
		after.next++
		after.bytes += uint64(len(row))
	}
	if len(rows) == 0 {
		return first, nil
	}
	return first, sp.commit(b, after, pebble.Sync)
}

// commit writes the batch together with the counts. The caller holds mu.
func (sp *Spool) commit(b *pebble.Batch, after spoolCount, o *pebble.WriteOptions) error {
	if err := b.Set(localKey(localSpool), after.value(), nil); err != nil {
		return err
	}
	if err := sp.s.must(b.Commit(o)); err != nil {
		return err
	}
	sp.count = after
	return nil
}

// Stats is what the spool holds.
func (sp *Spool) Stats() SpoolStats {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	c := sp.count
	return SpoolStats{Rows: c.next - c.first, Bytes: c.bytes, First: c.first, Last: c.next - 1}
}

// spoolCount is what the spool holds: rows from first to before next.
type spoolCount struct{ first, next, bytes uint64 }

const localSpool = "spool"

func (c spoolCount) value() []byte {
	var n numbers
	n.put(c.first, c.next, c.bytes)
	return n.b
}

// load reads the counts, or counts again when they cannot be read.
func (sp *Spool) load(s *Store) error {
	sp.s = s
	value, err := s.Local(localSpool)
	if err == nil {
		n := numbers{value}
		sp.count = spoolCount{n.take(), n.take(), n.take()}
		if n.done() == nil && sp.count.first > 0 && sp.count.next >= sp.count.first {
			return nil
		}
	}
	sp.count, err = sp.recount()
	return err
}

func (sp *Spool) recount() (spoolCount, error) {
	c := spoolCount{first: 1, next: 1}
	it, err := sp.s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixSpool}, UpperBound: []byte{prefixSpool + 1}})
	if err != nil {
		return c, err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		seq := indexOf(it.Key()[1:])
		if c.first == c.next {
			c.first = seq
		}
		c.next = seq + 1
		c.bytes += rowBytes(it)
	}
	return c, it.Error()
}

// rowBytes is the size of the row under the iterator, without reading it.
func rowBytes(it *pebble.Iterator) uint64 {
	value := it.LazyValue()
	return uint64(max(value.Len()-spoolOverhead, 0))
}

// Read reads rows in order, from the given number on, until they amount to
// maxBytes; one at least, when there is one. A row that cannot be read is
// passed over and named, once, in an error of kind Corrupt; what could be
// kept of it lies among the blocks set aside. The rows are good whether or
// not there is such an error.
func (sp *Spool) Read(from uint64, maxBytes int) ([]Row, error) {
	sp.mu.Lock()
	r := spoolReading{s: sp.s, db: sp.s.db, next: max(from, sp.count.first), end: sp.count.next, max: maxBytes}
	sp.mu.Unlock()
	return r.run()
}

// spoolReading is one Read on its way.
type spoolReading struct {
	s         *Store // where bad rows are noted
	db        *pebble.DB
	of        string // the store that was set aside, "" for s itself
	next, end uint64 // row numbers
	max       int
	full      bool

	rows  []Row
	bytes int
	bad   []badRow
}

type badRow struct {
	seq  uint64
	why  error
	kept []byte // nil: nothing could be read
}

func (r *spoolReading) run() ([]Row, error) {
	for r.next < r.end && !r.full {
		if err := r.walk(); err != nil {
			return r.rows, err
		}
	}
	return r.rows, r.setAside()
}

// walk reads up to a row that cannot be read, which ends Pebble's iterator.
// Numbers go on by one, so that damage which hides even the keys is passed
// row by row.
func (r *spoolReading) walk() error {
	it, err := r.db.NewIter(&pebble.IterOptions{LowerBound: spoolKey(r.next), UpperBound: spoolKey(r.end)})
	if err != nil {
		return shardlog.Errorf(shardlog.Internal, "read spool", "%w", err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		r.next = indexOf(it.Key()[1:])
		value, err := it.ValueAndErr()
		if err != nil {
			return r.pass(err, nil)
		}
		row, err := parseSpoolValue(value)
		if err != nil {
			r.pass(err, append([]byte{}, value...))
			continue
		}
		if r.take(row); r.full {
			return nil
		}
	}
	if err := it.Error(); err != nil {
		return r.pass(err, nil)
	}
	r.next = r.end
	return nil
}

func (r *spoolReading) take(row []byte) {
	if len(r.rows) > 0 && r.bytes+len(row) > r.max {
		r.full = true
		return
	}
	r.rows = append(r.rows, Row{r.next, append([]byte{}, row...)})
	r.bytes += len(row)
	r.next++
}

// pass goes on behind the row. Errors other than corruption are returned.
func (r *spoolReading) pass(why error, kept []byte) error {
	if kept == nil && !pebble.IsCorruptionError(why) {
		return shardlog.Errorf(shardlog.Internal, "read spool", "row %d: %w", r.next, why)
	}
	r.bad = append(r.bad, badRow{r.next, why, kept})
	r.next++
	return nil
}

// setAside notes the rows that could not be read, durably, and names those
// that were not known yet.
func (r *spoolReading) setAside() error {
	var fresh []error
	b := r.s.db.NewBatch()
	defer b.Close()
	for _, bad := range r.bad {
		key := localKey(localAside + "spool/" + r.of + string(binary.BigEndian.AppendUint64(nil, bad.seq)))
		if _, err := r.s.value(key); err == nil {
			continue
		}
		err := shardlog.Errorf(shardlog.Corrupt, "read spool", "row %d: %w", bad.seq, bad.why)
		fresh = append(fresh, err)
		r.s.log.Error("spool row set aside", "row", bad.seq, "error", bad.why.Error()) // the text: Pebble's errors print their stack
		if err := b.Set(key, mustJSON(Aside{Why: fmt.Sprintf("spool row %d: %v", bad.seq, bad.why), Kept: bad.kept}), nil); err != nil {
			return err
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := r.s.must(b.Commit(pebble.Sync)); err != nil {
		return err
	}
	return errors.Join(fresh...)
}
