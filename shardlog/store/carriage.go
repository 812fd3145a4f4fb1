package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"headgate/shardlog"
)

// What one store gives another travels as a stream of frames (FORMAT.md):
//
//	'H' 'G' what(1) version(1)
//	frame: type(1) length(uvarint) body CRC-32C(4, little-endian, over type and body)
//
// The last frame says how many things the stream carried, so that a stream
// which was cut off is known as such.
const (
	carryVersion = 1

	carryOffer  = 'o' // header, keys, their end, rows
	carryBlocks = 'b' // blocks
	carryKeys   = 'k' // keys

	frameEnd    = 0 // count
	frameHeader = 1 // applied
	frameKeys   = 2 // keys with sizes
	frameRows   = 3 // rows of state
	frameBlock  = 4 // key, bytes
	frameGone   = 5 // key, kind: not given
	frameListed = 6 // count: the keys end here, rows follow

	frameFull = 32 << 10 // bytes at which a frame of small things is sent
	frameMost = 24 << 20 // bytes that a reader takes for one frame
)

// carrier writes a stream.
type carrier struct {
	w     *bufio.Writer
	body  numbers // of the frame of small things being filled
	count uint64
}

func newCarrier(w io.Writer, what byte) *carrier {
	c := &carrier{w: bufio.NewWriterSize(w, frameFull)}
	c.w.Write([]byte{'H', 'G', what, carryVersion}) // an error sticks to the writer
	return c
}

func (c *carrier) frame(kind byte, parts ...[]byte) error {
	sum, size := crc32.Update(0, castagnoli, []byte{kind}), 0
	for _, p := range parts {
		sum, size = crc32.Update(sum, castagnoli, p), size+len(p)
	}
	c.w.WriteByte(kind)
	c.w.Write(binary.AppendUvarint(nil, uint64(size)))
	for _, p := range parts {
		c.w.Write(p)
	}
	_, err := c.w.Write(binary.LittleEndian.AppendUint32(nil, sum))
	return err
}

// flush sends the frame of small things when it has at least so many bytes.
func (c *carrier) flush(kind byte, least int) error {
	if len(c.body.b) < least {
		return nil
	}
	err := c.frame(kind, c.body.b)
	c.body.b = c.body.b[:0]
	return err
}

func (c *carrier) key(k BlockKey, size int) error {
	c.count++
	c.body.key(k)
	c.body.put(uint64(size))
	return c.flush(frameKeys, frameFull)
}

func (c *carrier) row(key, value []byte) error {
	c.count++
	c.body.bytes(key)
	c.body.bytes(value)
	return c.flush(frameRows, frameFull)
}

func (c *carrier) end(kind byte) error {
	var n numbers
	n.put(c.count)
	c.count = 0
	if err := c.frame(kind, n.b); err != nil {
		return err
	}
	return c.w.Flush()
}

func (n *numbers) key(k BlockKey) {
	n.put(uint64(k.Class), uint64(k.Bucket), uint64(k.Stream), k.Index, uint64(k.Block))
}

func (n *numbers) takeKey() BlockKey {
	return BlockKey{shardlog.Class(n.take()), uint32(n.take()), shardlog.StreamID(n.take()), n.take(), uint16(n.take())}
}

func (n *numbers) bytes(b []byte) {
	n.put(uint64(len(b)))
	n.b = append(n.b, b...)
}

// takeBytes is the next piece; it aliases b.
func (n *numbers) takeBytes() []byte {
	size := n.take()
	if n.b == nil || size > uint64(len(n.b)) {
		n.b = nil
		return nil
	}
	piece := n.b[:size:size]
	n.b = n.b[size:]
	return piece
}

// receiver reads a stream. What does not fit is Corrupt, whatever the bytes;
// a stream that ends early is Unavailable.
type receiver struct {
	r     *bufio.Reader
	frame bytes.Buffer
	count uint64
}

func newReceiver(r io.Reader, what byte) (*receiver, error) {
	c := &receiver{r: bufio.NewReaderSize(r, frameFull)}
	var head [4]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, cutOff(err)
	}
	if head != [4]byte{'H', 'G', what, carryVersion} {
		return nil, badStream("it begins with %x", head)
	}
	return c, nil
}

func badStream(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Corrupt, "read from peer", format, args...)
}

func cutOff(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	var own *shardlog.Error
	if errors.As(err, &own) {
		return err
	}
	return shardlog.Errorf(shardlog.Unavailable, "read from peer", "%w", err)
}

// next is the next frame; its body is good until the next call. A large frame
// takes memory only as its bytes arrive.
func (c *receiver) next() (kind byte, body []byte, err error) {
	if kind, err = c.r.ReadByte(); err != nil {
		return 0, nil, cutOff(err)
	}
	size, err := binary.ReadUvarint(c.r)
	if err != nil {
		return 0, nil, cutOff(err)
	}
	if size > frameMost {
		return 0, nil, badStream("frame of %d bytes", size)
	}
	if c.frame.Cap() > 1<<20 {
		c.frame = bytes.Buffer{}
	}
	c.frame.Reset()
	if _, err := io.CopyN(&c.frame, c.r, int64(size)+4); err != nil {
		return 0, nil, cutOff(err)
	}
	all := c.frame.Bytes()
	body = all[:size:size]
	if sum := crc32.Update(crc32.Checksum([]byte{kind}, castagnoli), castagnoli, body); sum != binary.LittleEndian.Uint32(all[size:]) {
		return 0, nil, badStream("checksum of a frame")
	}
	return kind, body, nil
}

// ended holds the count of an end frame against what came.
func (c *receiver) ended(body []byte) error {
	n := numbers{body}
	want := n.take()
	if n.done() != nil || want != c.count {
		return badStream("%d things came of %d", c.count, want)
	}
	c.count = 0
	return nil
}

// keys calls do for each key of a frame.
func (c *receiver) keys(body []byte, do func(BlockKey, int) error) error {
	for n := (numbers{body}); len(n.b) > 0; {
		k, size := n.takeKey(), n.take()
		if n.b == nil || size > frameMost {
			return badStream("listing")
		}
		c.count++
		if err := do(k, int(size)); err != nil {
			return err
		}
	}
	return nil
}

// rows calls do for each row of a frame.
func (c *receiver) rows(body []byte, do func(key, value []byte) error) error {
	for n := (numbers{body}); len(n.b) > 0; {
		key, value := n.takeBytes(), n.takeBytes()
		if n.b == nil || len(key) == 0 {
			return badStream("rows")
		}
		c.count++
		if err := do(key, value); err != nil {
			return err
		}
	}
	return nil
}

// Requests are lists of keys: version(1), then each as it lies on the disk,
// without its prefix.

func encodeKeys(keys []BlockKey) []byte {
	b := []byte{carryVersion}
	for _, k := range keys {
		b = append(b, k.place().key()[1:]...)
	}
	return b
}

func decodeKeys(b []byte) ([]BlockKey, error) {
	var keys []BlockKey
	err := eachPiece(b, blockKeySize-1, func(piece []byte) {
		p, _ := parseBlockKey(append([]byte{prefixBlock}, piece...))
		keys = append(keys, keyOf(p))
	})
	return keys, err
}

func encodeExtents(extents []ExtentKey) []byte {
	b := []byte{carryVersion}
	for _, e := range extents {
		b = append(b, e.prefix()[1:]...)
	}
	return b
}

func decodeExtents(b []byte) ([]ExtentKey, error) {
	var extents []ExtentKey
	err := eachPiece(b, extentKeySize-1, func(piece []byte) {
		e, _ := parseExtentKey(append([]byte{prefixBlock}, piece...))
		extents = append(extents, e)
	})
	return extents, err
}

const extentKeySize = 1 + 1 + 4 + 4

func eachPiece(b []byte, size int, do func([]byte)) error {
	if len(b) == 0 || b[0] != carryVersion || (len(b)-1)%size != 0 {
		return shardlog.Errorf(shardlog.Invalid, "read request", "no list of version %d", carryVersion)
	}
	for b = b[1:]; len(b) > 0; b = b[size:] {
		do(b[:size])
	}
	return nil
}
