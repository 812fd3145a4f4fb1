package store

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"headgate/shardlog"
)

// Lose takes a block away, as no disk should.
func (s *Store) Lose(k BlockKey) error { return s.db.Delete(k.place().key(), pebble.Sync) }

// Spoil changes bytes of a block, as no disk should.
func (s *Store) Spoil(k BlockKey) error {
	sealed, err := s.value(k.place().key())
	if err != nil {
		return err
	}
	sealed[len(sealed)/2] ^= 0x5a
	return s.db.Set(k.place().key(), sealed, pebble.Sync)
}

// ScrubRound is one round of Scrub.
func (s *Store) ScrubRound(ctx context.Context, o Scrubbing) error {
	at, err := s.loadScrub()
	if err != nil {
		return err
	}
	sc := scrubbing{s: s, o: o, pace: newPace(o.Rate)}
	return sc.round(ctx, at.Next)
}

// Receive reads a whole stream of either kind and answers how many things it carried.
func Receive(r io.Reader, what byte) (uint64, error) {
	c, err := newReceiver(r, what)
	if err != nil {
		return 0, err
	}
	for total := uint64(0); ; {
		kind, body, err := c.next()
		if err != nil {
			return total, err
		}
		switch kind {
		case frameEnd, frameListed:
			total += c.count
			if err := c.ended(body); err != nil || kind == frameEnd {
				return total, err
			}
		case frameKeys:
			err = c.keys(body, func(BlockKey, int) error { return nil })
		case frameRows:
			err = c.rows(body, func(_, _ []byte) error { return nil })
		case frameBlock, frameGone:
			var b Block
			if b, _, err = parseBlockFrame(kind, body); err == nil && b.Bytes != nil {
				_ = checkBlock(b.Key, b.Bytes)
			}
			c.count++
		case frameHeader:
		default:
			return total, badStream("frame %d", kind)
		}
		if err != nil {
			return total, err
		}
	}
}

// DecodeRequest reads a list of keys or extents and writes it again.
func DecodeRequest(b []byte) (keys, extents []byte, err error) {
	k, err := decodeKeys(b)
	if err == nil {
		keys = encodeKeys(k)
	}
	e, err2 := decodeExtents(b)
	if err2 == nil {
		extents = encodeExtents(e)
	}
	if err != nil && err2 != nil {
		return nil, nil, shardlog.Errorf(shardlog.KindOf(err), "decode", "%w", err)
	}
	return keys, extents, nil
}

// Rot changes a byte in the middle of the largest log in a folder.
func (d *Disk) Rot(dir string) error {
	names, err := d.mem.List(dir)
	if err != nil {
		return err
	}
	var worst string
	var most int64
	for _, n := range names {
		if info, err := d.mem.Stat(d.mem.PathJoin(dir, n)); err == nil && strings.HasSuffix(n, ".log") && info.Size() > most {
			worst, most = d.mem.PathJoin(dir, n), info.Size()
		}
	}
	f, err := d.mem.OpenReadWrite(worst, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, most/3); err != nil {
		return err
	}
	b[0] ^= 0x5a
	if _, err := f.WriteAt(b, most/3); err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
