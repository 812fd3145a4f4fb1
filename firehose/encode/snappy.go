package encode

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/s2"
)

// snappyCodec is Snappy's framing format. It reuses its writers.
type snappyCodec struct{ idle sync.Pool }

func (c *snappyCodec) compress(w io.Writer) (io.WriteCloser, error) {
	if z, ok := c.idle.Get().(*s2.Writer); ok {
		z.Reset(w)
		return &reused[*s2.Writer]{z, &c.idle}, nil
	}
	z := s2.NewWriter(w, s2.WriterSnappyCompat(), s2.WriterConcurrency(1))
	return &reused[*s2.Writer]{z, &c.idle}, nil
}

func (c *snappyCodec) expand(r io.Reader) (io.ReadCloser, error) {
	return io.NopCloser(s2.NewReader(r, s2.ReaderMaxBlockSize(64<<10))), nil
}

func (c *snappyCodec) extension() string { return ".snappy" }

// hadoopCodec is what Hadoop's SnappyCodec reads and writes: blocks of
//
//	+---------------------+------------------------------------------------+
//	| content length (4 B) | one or more of: Snappy's length (4 B), Snappy |
//	+---------------------+------------------------------------------------+
//
// with lengths in big-endian order.
type hadoopCodec struct{}

// What blocks hold: ours, and others' at most.
const (
	hadoopBlock    = 256 << 10
	maxHadoopBlock = 64 << 20
)

func (hadoopCodec) compress(w io.Writer) (io.WriteCloser, error) {
	return &hadoopWriter{w: w, block: make([]byte, 0, hadoopBlock)}, nil
}

func (hadoopCodec) expand(r io.Reader) (io.ReadCloser, error) {
	return io.NopCloser(&hadoopReader{r: r}), nil
}

func (hadoopCodec) extension() string { return ".hsnappy" }

type hadoopWriter struct {
	w     io.Writer
	block []byte // content that is not written yet
	out   []byte // reused
}

func (z *hadoopWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		room := min(cap(z.block)-len(z.block), len(p))
		z.block, p = append(z.block, p[:room]...), p[room:]
		if len(z.block) == cap(z.block) {
			if err := z.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (z *hadoopWriter) flush() error {
	if len(z.block) == 0 {
		return nil
	}
	if z.out == nil {
		z.out = make([]byte, 8+s2.MaxEncodedLen(hadoopBlock))
	}
	compressed := s2.EncodeSnappy(z.out[8:], z.block)
	binary.BigEndian.PutUint32(z.out, uint32(len(z.block)))
	binary.BigEndian.PutUint32(z.out[4:], uint32(len(compressed)))
	z.block = z.block[:0]
	_, err := z.w.Write(z.out[:8+len(compressed)])
	return err
}

func (z *hadoopWriter) Close() error { return z.flush() }

type hadoopReader struct {
	r       io.Reader
	left    int    // content of the present block that is in later chunks
	content []byte // to be read
	chunk   []byte // reused
	buffer  []byte // reused
}

func (z *hadoopReader) Read(p []byte) (int, error) {
	for len(z.content) == 0 {
		if err := z.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, z.content)
	z.content = z.content[n:]
	return n, nil
}

// next reads one chunk. io.EOF means that the last block is complete.
func (z *hadoopReader) next() error {
	if z.left == 0 {
		n, err := z.length()
		if err != nil {
			return err
		}
		if z.left = n; n == 0 {
			return nil
		}
	}
	n, err := z.length()
	if err != nil {
		return unexpected(err)
	}
	if cap(z.chunk) < n {
		z.chunk = make([]byte, n)
	}
	z.chunk = z.chunk[:n]
	if _, err := io.ReadFull(z.r, z.chunk); err != nil {
		return unexpected(err)
	}
	size, err := s2.DecodedLen(z.chunk)
	if err != nil || size == 0 || size > z.left {
		return fmt.Errorf("a chunk of Hadoop's Snappy holds %d bytes where %d are left (%v)", size, z.left, err)
	}
	if z.content, err = s2.Decode(z.buffer[:cap(z.buffer)], z.chunk); err != nil {
		return err
	}
	z.buffer = z.content
	z.left -= size
	return nil
}

func (z *hadoopReader) length() (int, error) {
	var b [4]byte
	if _, err := io.ReadFull(z.r, b[:]); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(b[:])
	if n > maxHadoopBlock {
		return 0, fmt.Errorf("a block of Hadoop's Snappy has %d bytes, more than %d", n, maxHadoopBlock)
	}
	return int(n), nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
