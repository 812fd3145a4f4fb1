package packet

import (
	"encoding/binary"
	"fmt"
)

// The properties of MQTT 5 that are made use of.
const (
	responseTopic   = 8
	correlationData = 9
)

// cutProperties takes the properties of an MQTT 5 packet from the front of b
// and tells those that are texts or bytes.
func cutProperties(b []byte, tell func(id byte, value []byte)) (rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, fmt.Errorf("properties: %w", ErrMalformed)
	}
	all, rest := b[size:size+int(n)], b[size+int(n):]
	for len(all) > 0 {
		id, value := all[0], all[1:]
		width := 0
		switch id {
		case 1, 23, 25, 36, 37, 40, 41, 42:
			width = 1
		case 19, 33, 34, 35:
			width = 2
		case 2, 17, 24, 39:
			width = 4
		case 11:
			if _, width = binary.Uvarint(value); width <= 0 {
				return nil, fmt.Errorf("property %d: %w", id, ErrMalformed)
			}
		case 38: // a name and a value
			if _, after, ok := cutText(value); ok {
				value = after
			}
			fallthrough
		case 3, responseTopic, correlationData, 18, 21, 22, 26, 28, 31:
			text, _, ok := cutText(value)
			if !ok {
				return nil, fmt.Errorf("property %d: %w", id, ErrMalformed)
			}
			tell(id, text)
			width = 2 + len(text)
		default:
			return nil, fmt.Errorf("property %d: %w", id, ErrMalformed)
		}
		if width > len(value) {
			return nil, fmt.Errorf("property %d: %w", id, ErrMalformed)
		}
		all = value[width:]
	}
	return rest, nil
}

// properties appends what a message has of them.
func (m Message) properties(b []byte) []byte {
	var all []byte
	if m.ResponseTopic != "" {
		all = appendText(append(all, responseTopic), m.ResponseTopic)
	}
	if m.Correlation != nil {
		all = appendText(append(all, correlationData), m.Correlation)
	}
	return append(appendLength(b, len(all)), all...)
}
