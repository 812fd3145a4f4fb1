package mqtt

import "errors"

// What a framer finds wrong with a stream of packets.
var (
	errNotConnect = errors.New("first packet is no CONNECT")
	errTooLarge   = errors.New("packet too large")
	errMalformed  = errors.New("malformed packet header")
)

// framer follows the boundaries of MQTT packets in a stream of bytes, so that
// sizes are judged before anything of that size is allocated. The zero value
// is not usable: set both limits.
type framer struct {
	first int // bytes the first packet, which must be CONNECT, may have after its header
	limit int // bytes any later packet may have after its header

	later  bool // the first packet has begun
	header bool // inside the length field
	shift  uint // of the next length byte
	length int  // gathered so far
	body   int  // bytes left of the packet's body
}

// scan takes the next bytes of the stream. It answers how many of them are
// good, and what is wrong with the rest.
func (f *framer) scan(b []byte) (good int, err error) {
	start := 0 // where the packet that is being judged began
	for i := 0; i < len(b); {
		switch {
		case f.body > 0:
			n := min(f.body, len(b)-i)
			f.body -= n
			i += n
			start = i
		case !f.header:
			if !f.later && b[i] != 0x10 {
				return start, errNotConnect
			}
			if serverOnly(b[i] >> 4) {
				return start, errMalformed
			}
			f.header, f.shift, f.length = true, 0, 0
			i++
		default:
			f.length |= int(b[i]&0x7f) << f.shift
			f.shift += 7
			if b[i]&0x80 == 0 {
				if err := f.judge(); err != nil {
					return start, err
				}
			} else if f.shift > 21 {
				return start, errMalformed
			}
			i++
			if !f.header && f.body == 0 {
				start = i
			}
		}
	}
	return len(b), nil
}

// serverOnly reports whether no client may send packets of the type: the
// reserved one, CONNACK, SUBACK, UNSUBACK and PINGRESP.
func serverOnly(kind byte) bool {
	switch kind {
	case 0, 2, 9, 11, 13:
		return true
	}
	return false
}

// judge ends a length field.
func (f *framer) judge() error {
	limit := f.limit
	if !f.later {
		limit = f.first
	}
	if f.length > limit {
		return errTooLarge
	}
	f.later, f.header, f.body = true, false, f.length
	return nil
}
