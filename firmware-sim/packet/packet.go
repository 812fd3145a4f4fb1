// Package packet is the packets of MQTT 3.1.1, and 5 where it is said, that a simulated device writes and
// reads, and one connection that exchanges them. It keeps no session and repeats
// nothing: the fleet is for that.
package packet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// The types of packets, as they stand in the upper half of the first byte.
const (
	CONNECT    = 1
	CONNACK    = 2
	PUBLISH    = 3
	PUBACK     = 4
	PUBREC     = 5
	PUBREL     = 6
	PUBCOMP    = 7
	SUBSCRIBE  = 8
	SUBACK     = 9
	PINGREQ    = 12
	PINGRESP   = 13
	DISCONNECT = 14
)

// Most is the longest body of a packet, in bytes, that MQTT can say.
const Most = 268_435_455

// ErrMalformed says that bytes are no packet.
var ErrMalformed = errors.New("malformed packet")

// Raw is a packet whose body nobody looked at yet.
type Raw struct {
	Head byte // type and flags
	Body []byte
}

// Type is one of the types above.
func (r Raw) Type() byte { return r.Head >> 4 }

// ID is the packet id of an acknowledgement, zero when there is none.
func (r Raw) ID() uint16 {
	if len(r.Body) < 2 {
		return 0
	}
	return uint16(r.Body[0])<<8 | uint16(r.Body[1])
}

// Append appends the packet as it goes over the wire.
func (r Raw) Append(b []byte) []byte {
	return append(appendLength(append(b, r.Head), len(r.Body)), r.Body...)
}

// Read reads one packet of a body of at most that many bytes; io.EOF when the
// connection ended before it began, ErrMalformed for what is none.
func Read(in *bufio.Reader, most int) (Raw, error) {
	head, err := in.ReadByte()
	if err != nil {
		return Raw{}, err
	}
	length, shift := 0, 0
	for {
		b, err := in.ReadByte()
		if err != nil {
			return Raw{}, whole(err)
		}
		length |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
		if shift += 7; shift > 21 {
			return Raw{}, ErrMalformed
		}
	}
	if length > most {
		return Raw{}, fmt.Errorf("a body of %d bytes, %d are taken: %w", length, most, ErrMalformed)
	}
	r := Raw{Head: head, Body: make([]byte, length)}
	if _, err := io.ReadFull(in, r.Body); err != nil {
		return Raw{}, whole(err)
	}
	return r, nil
}

// whole is the error of a packet that ended in the middle.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func appendLength(b []byte, n int) []byte {
	for ; n > 0x7f; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func appendText[T string | []byte](b []byte, text T) []byte {
	return append(append(b, byte(len(text)>>8), byte(len(text))), text...)
}

// cutText takes a text with its length from the front of b.
func cutText(b []byte) (text, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(b[0])<<8 | int(b[1])
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}
