package packet

import "fmt"

// Message is what PUBLISH carries, and a will.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	Dup     bool
	ID      uint16 // of QoS 1 and 2

	ResponseTopic string // MQTT 5: where an answer is awaited, and what it has to repeat
	Correlation   []byte
}

// Append appends the message as a PUBLISH of MQTT 3.1.1.
func (m Message) Append(b []byte) []byte { return m.append(b, false) }

// Append5 appends it as one of MQTT 5.
func (m Message) Append5(b []byte) []byte { return m.append(b, true) }

func (m Message) append(b []byte, v5 bool) []byte {
	head := byte(PUBLISH<<4) | m.QoS<<1
	if m.Retain {
		head |= 1
	}
	if m.Dup {
		head |= 8
	}
	body := appendText(make([]byte, 0, len(m.Topic)+len(m.Payload)+4), m.Topic)
	if m.QoS > 0 {
		body = append(body, byte(m.ID>>8), byte(m.ID))
	}
	if v5 {
		body = m.properties(body)
	}
	return Raw{Head: head, Body: append(body, m.Payload...)}.Append(b)
}

// Published reads a PUBLISH of MQTT 3.1.1. The payload is part of r. ErrMalformed for what is none.
func Published(r Raw) (Message, error) {
	m := Message{QoS: r.Head >> 1 & 3, Retain: r.Head&1 != 0, Dup: r.Head&8 != 0}
	topic, rest, ok := cutText(r.Body)
	if r.Type() != PUBLISH || !ok || m.QoS > 2 {
		return Message{}, fmt.Errorf("no PUBLISH: %w", ErrMalformed)
	}
	m.Topic = string(topic)
	if m.QoS > 0 {
		if len(rest) < 2 {
			return Message{}, fmt.Errorf("no packet id: %w", ErrMalformed)
		}
		m.ID = uint16(rest[0])<<8 | uint16(rest[1])
		rest = rest[2:]
	}
	m.Payload = rest
	return m, nil
}

// Published5 reads a PUBLISH of MQTT 5.
func Published5(r Raw) (Message, error) {
	m, err := Published(r)
	if err != nil {
		return m, err
	}
	m.Payload, err = cutProperties(m.Payload, func(id byte, value []byte) {
		switch id {
		case responseTopic:
			m.ResponseTopic = string(value)
		case correlationData:
			m.Correlation = value
		}
	})
	return m, err
}

// Ack appends an acknowledgement of that type.
func Ack(b []byte, kind byte, id uint16) []byte {
	head := kind << 4
	if kind == PUBREL {
		head |= 2
	}
	return append(b, head, 2, byte(id>>8), byte(id))
}

// Subscribe appends a SUBSCRIBE for filters at QoS 1.
func Subscribe(b []byte, id uint16, v5 bool, filters ...string) []byte {
	body := []byte{byte(id >> 8), byte(id)}
	if v5 {
		body = append(body, 0)
	}
	for _, f := range filters {
		body = append(appendText(body, f), 1)
	}
	return Raw{Head: SUBSCRIBE<<4 | 2, Body: body}.Append(b)
}

// Ping appends a PINGREQ.
func Ping(b []byte) []byte { return append(b, PINGREQ<<4, 0) }

// Goodbye appends a DISCONNECT.
func Goodbye(b []byte) []byte { return append(b, DISCONNECT<<4, 0) }
