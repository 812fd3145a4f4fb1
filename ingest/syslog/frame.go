package syslog

import (
	"bytes"
	"errors"
)

// framing is how messages lie in a stream of bytes (RFC 6587, 3.4).
type framing uint8

const (
	unframed framing = iota // not decided yet
	lines                   // each ends in LF, CR LF or NUL
	counted                 // each has its length and a space in front
)

// Sizes of the framer.
const (
	firstBuffer = 16 << 10
	countDigits = 8 // of a length: 100 MB at most
	slack       = countDigits + 1 + 2
)

var errFrame = errors.New("no length in front of a message")

// frame is one message of a stream. Its data is the framer's, good until the
// next call.
type frame struct {
	data []byte
	cut  bool // not all of it
}

// framer takes a stream of bytes apart. The first bytes decide about its
// framing for good: a length, a space and < mean octet counting; anything else
// means lines, one of which may well begin with a number later on. It holds at
// most one message and what was read behind it. It is not safe for concurrent use.
type framer struct {
	max int // bytes of a message

	mode     framing
	buf      []byte
	from, to int // what is not handed out yet is buf[from:to]
	seen     int // lines: of these bytes no line ends here
	skip     int // counted: rest of a message that was cut
	skipping bool
}

// space is where to read to; it has room for at least one byte.
func (f *framer) space() []byte {
	if f.from == f.to {
		f.from, f.to = 0, 0
	}
	if f.to == len(f.buf) && f.from > 0 {
		f.to = copy(f.buf, f.buf[f.from:f.to])
		f.from = 0
	}
	if f.to == len(f.buf) {
		bigger := make([]byte, min(max(2*len(f.buf), firstBuffer), f.max+slack))
		copy(bigger, f.buf[:f.to])
		f.buf = bigger
	}
	return f.buf[f.to:]
}

// filled says that n bytes were read into space.
func (f *framer) filled(n int) { f.to += n }

// half reports whether a message has begun that next did not hand out.
func (f *framer) half() bool { return f.to > f.from || f.skip > 0 || f.skipping }

// next is the next whole message, or one of which no more than max bytes are
// wanted; without data: read more. After an error the framer is of no use.
func (f *framer) next() (frame, error) {
	if f.mode == unframed && !f.decide() {
		return frame{}, nil
	}
	if f.mode == counted {
		return f.count()
	}
	return f.line(), nil
}

// decide settles the framing; false: read more.
func (f *framer) decide() bool {
	f.blank()
	n, have := f.number()
	switch {
	case f.from == f.to:
		return false
	case n == 0 || n > countDigits:
		f.mode = lines
	case n == len(have) || n+1 == len(have) && have[n] == ' ':
		return false
	case have[n] == ' ' && have[n+1] == '<':
		f.mode = counted
	default:
		f.mode = lines
	}
	return true
}

// blank passes over line ends between messages.
func (f *framer) blank() {
	for f.from < f.to && (f.buf[f.from] == '\n' || f.buf[f.from] == '\r' || f.buf[f.from] == 0) {
		f.from++
	}
}

// number is how many digits of a length stand in front, zero if it is none:
// MSG-LEN has no leading zero (RFC 6587, 3.4.1).
func (f *framer) number() (n int, have []byte) {
	have = f.buf[f.from:f.to]
	for n < len(have) && n <= countDigits && digit(have[n]) {
		n++
	}
	if n > 0 && have[0] == '0' {
		return 0, have
	}
	return n, have
}

// count is next with octet counting (RFC 6587, 3.4.1; RFC 5425, 4.3).
func (f *framer) count() (frame, error) {
	gone := min(f.skip, f.to-f.from)
	f.from += gone
	if f.skip -= gone; f.skip > 0 {
		return frame{}, nil
	}
	f.blank() // some senders end counted messages with LF too
	n, have := f.number()
	switch {
	case len(have) == 0 || n > 0 && n <= countDigits && n == len(have):
		return frame{}, nil
	case n == 0 || n > countDigits || have[n] != ' ':
		return frame{}, errFrame
	}
	length := 0
	for _, c := range have[:n] {
		length = 10*length + int(c-'0')
	}
	size, body := min(length, f.max), have[n+1:]
	if len(body) < size {
		return frame{}, nil
	}
	f.from += n + 1 + size
	f.skip = length - size
	return frame{data: body[:size:size], cut: f.skip > 0}, nil
}

// line is next with lines (RFC 6587, 3.4.2).
func (f *framer) line() frame {
	for {
		have := f.buf[f.from:f.to]
		end := bytes.IndexAny(have[f.seen:], "\n\x00")
		switch {
		case end < 0 && f.skipping:
			f.from, f.seen = f.to, 0
			return frame{}
		case end < 0 && len(have) <= f.max+1: // a CR may be the last
			f.seen = len(have)
			return frame{}
		case end < 0:
			f.from, f.seen, f.skipping = f.to, 0, true
			return frame{data: have[:f.max:f.max], cut: true}
		}
		end += f.seen
		text := have[:end]
		if have[end] == '\n' {
			text = bytes.TrimSuffix(text, []byte{'\r'})
		}
		cut := len(text) > f.max
		text = text[:min(len(text), f.max)]
		skipped := f.skipping
		f.from, f.seen, f.skipping = f.from+end+1, 0, false
		if !skipped && len(text) > 0 {
			return frame{data: text[:len(text):len(text)], cut: cut}
		}
	}
}

// rest is what came of a message whose end did not, when nothing more will
// come. A last line without an end is whole if the stream ended cleanly.
func (f *framer) rest(clean bool) frame {
	have := f.buf[f.from:f.to]
	f.from, f.seen = f.to, 0
	if f.skip > 0 || f.skipping || len(have) == 0 {
		return frame{}
	}
	if f.mode == counted {
		_, body, ok := bytes.Cut(have, []byte{' '})
		if !ok || !digits(have[:len(have)-len(body)-1]) || len(body) == 0 {
			return frame{}
		}
		return frame{data: body[:min(len(body), f.max)], cut: true}
	}
	if clean {
		have = bytes.TrimSuffix(have, []byte{'\r'})
	}
	return frame{data: have[:min(len(have), f.max)], cut: !clean || len(have) > f.max}
}
