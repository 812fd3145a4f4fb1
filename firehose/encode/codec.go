package encode

import (
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// gzipLevel is where telemetry stops shrinking noticeably.
const gzipLevel = 6

// zstdWindow bounds what a reader and we need in memory for one stream.
const zstdWindow = 1 << 20

// plain stores content as it is.
type plain struct{}

func (plain) compress(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil }
func (plain) expand(r io.Reader) (io.ReadCloser, error)    { return io.NopCloser(r), nil }
func (plain) extension() string                            { return "" }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// gzipCodec reuses its writers: each holds about 800 KB.
type gzipCodec struct{ idle sync.Pool }

func (c *gzipCodec) compress(w io.Writer) (io.WriteCloser, error) {
	if z, ok := c.idle.Get().(*gzip.Writer); ok {
		z.Reset(w)
		return &reused[*gzip.Writer]{z, &c.idle}, nil
	}
	z, err := gzip.NewWriterLevel(w, gzipLevel)
	if err != nil {
		return nil, err
	}
	return &reused[*gzip.Writer]{z, &c.idle}, nil
}

func (c *gzipCodec) expand(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }
func (c *gzipCodec) extension() string                         { return ".gz" }

// zstdCodec reuses its writers: each holds a window and a block.
type zstdCodec struct{ idle sync.Pool }

func (c *zstdCodec) compress(w io.Writer) (io.WriteCloser, error) {
	if z, ok := c.idle.Get().(*zstd.Encoder); ok {
		z.Reset(w)
		return &reused[*zstd.Encoder]{z, &c.idle}, nil
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstdWindow),
		zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	return &reused[*zstd.Encoder]{z, &c.idle}, nil
}

func (c *zstdCodec) expand(r io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

func (c *zstdCodec) extension() string { return ".zst" }

type resetter interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// reused gives its writer back to the pool when it is closed the first time.
type reused[W resetter] struct {
	w    W
	idle *sync.Pool
}

func (r *reused[W]) Write(p []byte) (int, error) { return r.w.Write(p) }

func (r *reused[W]) Close() error {
	if r.idle == nil {
		return nil
	}
	err := r.w.Close()
	r.w.Reset(nil)
	r.idle.Put(r.w)
	r.idle = nil
	return err
}
