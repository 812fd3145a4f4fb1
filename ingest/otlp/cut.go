package otlp

import "headgate/shardlog"

// piece is a request that fits into a record.
type piece struct {
	key  string
	data []byte
}

// cutter cuts a request into pieces. What is too large to be cut is counted.
type cutter struct {
	codec
	source string
	most   int // bytes of a piece
	// byResource keeps resources of different keys apart.
	byResource bool

	pieces   []piece
	rejected int64
}

// Bounds of cutting.
const (
	maxPieces = 10000
	frame     = 64 // bytes that wrap adds around one part and around all, at most
)

// cut fills pieces. Kind LimitExceeded: there would be too many.
//
// A request that fits is one piece, as it came, under the key that its
// resources share, else the source. Of one that does not, resources are taken
// whole while they fit together and have the same key. One that does not fit
// is cut by its scopes, and these by their items; each part repeats what the
// resource and the scope say of themselves.
func (c *cutter) cut(request shape, b []byte) error {
	k, some := common(c.codec, request, b, c.source)
	if !some {
		return nil // a request of nothing is a success (OTLP specification, OTLP/HTTP Response)
	}
	alike := k != c.source // a source that stands for different keys does not count
	if len(b)+keyBytes <= c.most && (alike || !c.byResource) {
		c.pieces = []piece{{k, b}}
		return nil
	}
	inner, _ := request.inner()
	head := c.head(request, b, inner.name)
	room := c.most - keyBytes - frame - len(head)
	if room < c.most/2 {
		head, room = nil, c.most-keyBytes-frame // it holds nothing but what is not known
	}
	var parts [][]byte
	size, last := 0, ""
	flush := func() {
		if len(parts) > 0 {
			c.pieces = append(c.pieces, piece{last, c.wrap(request, head, inner.name, parts)})
		}
		parts, size = nil, 0
	}
	c.each(request, b, inner.name, func(r []byte) bool {
		k := key(c.codec, inner.of, r, c.source)
		for _, part := range c.split(inner.of, r, room) {
			if len(parts) > 0 && (k != last || size+len(part)+frame > room) {
				flush()
			}
			parts, last = append(parts, part), k
			size += len(part) + frame
		}
		return len(c.pieces) <= maxPieces
	})
	flush()
	if len(c.pieces) > maxPieces {
		return shardlog.Errorf(shardlog.LimitExceeded, "cut request", "more than %d records", maxPieces)
	}
	return nil
}

// split cuts one message into messages of at most that many bytes. Items that
// do not fit are rejected, and so are all in a message whose own description
// leaves less than half the room: repeated, it would be most of what is stored.
func (c *cutter) split(of shape, b []byte, most int) [][]byte {
	if len(b)+frame <= most {
		return [][]byte{b}
	}
	inner, ok := of.inner()
	if !ok {
		c.rejected += count(c.codec, of, b)
		return nil
	}
	head := c.head(of, b, inner.name)
	room := most - len(head) - frame
	if room < most/2 {
		c.rejected += count(c.codec, of, b)
		return nil
	}
	var whole, parts [][]byte
	size := 0
	flush := func() {
		if len(parts) > 0 {
			whole = append(whole, c.wrap(of, head, inner.name, parts))
		}
		parts, size = nil, 0
	}
	c.each(of, b, inner.name, func(r []byte) bool {
		for _, part := range c.split(inner.of, r, room) {
			if len(parts) > 0 && size+len(part)+frame > room {
				flush()
			}
			parts = append(parts, part)
			size += len(part) + frame
		}
		return true
	})
	flush()
	return whole
}
