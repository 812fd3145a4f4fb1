package mqtt

import (
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/mochi-mqtt/server/v2/packets"
)

// What a reader finds wrong with a stream of packets.
var (
	errNotConnect = errors.New("first packet is no CONNECT")
	errTooLarge   = errors.New("packet too large")
	errMalformed  = errors.New("malformed packet header")
)

// Sizes of a reader's buffers.
const (
	fewBytes  = 64       // kept by each connection
	manyBytes = 16 << 10 // borrowed while a device sends
	bodyStep  = 64 << 10 // of a packet, made before its bytes have come
)

// reader cuts what a device sends into packets. Sizes are judged before
// anything of that size is made, and a silent connection holds a few bytes only.
type reader struct {
	source io.Reader // may answer with bytes and an error
	first  int       // bytes the first packet, which must be CONNECT, may have after its header
	limit  int       // bytes any later packet may have after its header

	later bool
	few   [fewBytes]byte
	many  *[manyBytes]byte // nil, or borrowed
	left  []byte           // read, and not yet cut; part of few or of many
	flows bool             // the last read filled a good part of many
}

// lent are the buffers that readers borrow.
type lent struct{ pool sync.Pool }

func (l *lent) get() *[manyBytes]byte {
	if b, ok := l.pool.Get().(*[manyBytes]byte); ok {
		return b
	}
	return new([manyBytes]byte)
}

// next is the next packet's first byte, and the rest after the length, which
// belongs to the caller. It waits for it. io.EOF: the stream ended between two
// packets.
func (r *reader) next(l *lent) (first byte, body []byte, err error) {
	first, size, err := r.header(l)
	if err != nil {
		return 0, nil, err
	}
	for size <= manyBytes && len(r.left) < size { // with it comes what lies behind it
		if err := r.fill(l); err != nil {
			return 0, nil, unexpected(err)
		}
	}
	n := min(size, len(r.left))
	body = make([]byte, n, max(n, min(size, bodyStep)))
	copy(body, r.left)
	r.left = r.left[n:]
	for len(body) < size {
		step := min(size-len(body), max(bodyStep, len(body))) // as much as has come already
		body = slices.Grow(body, step)
		more := body[len(body) : len(body)+step]
		if _, err := io.ReadFull(r.source, more); err != nil {
			return 0, nil, unexpected(err)
		}
		body = body[:len(body)+step]
	}
	r.later = true
	return first, body, nil
}

// header cuts the first byte and the length of a packet.
func (r *reader) header(l *lent) (first byte, size int, err error) {
	for {
		first, size, n, err := cutHeader(r.left)
		switch {
		case len(r.left) > 0 && !r.later && r.left[0] != packets.Connect<<4:
			return 0, 0, errNotConnect
		case err != nil:
			return 0, 0, err
		case n > 0 && (r.later && size > r.limit || !r.later && size > r.first):
			return 0, 0, errTooLarge
		case n > 0:
			r.left = r.left[n:]
			return first, size, nil
		}
		if err := r.fill(l); err != nil {
			if len(r.left) > 0 {
				err = unexpected(err)
			}
			return 0, 0, err
		}
	}
}

// fill reads more. A device that was silent gets the few bytes that are there
// already, and a large buffer once it has filled them.
func (r *reader) fill(l *lent) error {
	if len(r.left) == 0 && r.many != nil && !r.flows {
		l.pool.Put(r.many)
		r.many = nil
	}
	if len(r.left) == 0 && r.many == nil {
		n, err := r.source.Read(r.few[:])
		r.left = r.few[:n]
		return enough(n, err)
	}
	if r.many == nil {
		r.many = l.get()
	}
	kept := copy(r.many[:], r.left) // less than a packet that fits
	n, err := r.source.Read(r.many[kept:])
	r.left = r.many[:kept+n]
	r.flows = kept+n > manyBytes/4
	return enough(n, err)
}

// close gives back what was borrowed.
func (r *reader) close(l *lent) {
	if r.many != nil {
		l.pool.Put(r.many)
		r.many, r.left = nil, nil
	}
}

// enough is the error of a read that read nothing.
func enough(n int, err error) error {
	if n > 0 {
		return nil // it comes again with the next read
	}
	return err
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// cutHeader reads the first byte of a packet and its length (MQTT 5.0, 2.1). n
// is how many bytes they take, zero when they are not all there.
func cutHeader(b []byte) (first byte, size, n int, err error) {
	if len(b) == 0 {
		return 0, 0, 0, nil
	}
	if serverOnly(b[0] >> 4) {
		return 0, 0, 0, errMalformed
	}
	return packetAt(b)
}

// packetAt is cutHeader for packets of any type.
func packetAt(b []byte) (first byte, size, n int, err error) {
	for i, one := range b[1:min(len(b), 5)] {
		size |= int(one&0x7f) << (7 * i)
		if one&0x80 == 0 {
			return b[0], size, i + 2, nil
		}
	}
	if len(b) >= 5 {
		return 0, 0, 0, errMalformed
	}
	return 0, 0, 0, nil
}

// serverOnly reports whether no client may send packets of the type: the
// reserved one, CONNACK, SUBACK, UNSUBACK and PINGRESP.
func serverOnly(kind byte) bool {
	switch kind {
	case 0, packets.Connack, packets.Suback, packets.Unsuback, packets.Pingresp:
		return true
	}
	return false
}
