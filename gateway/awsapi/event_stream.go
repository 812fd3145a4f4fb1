package awsapi

import (
	"encoding/binary"
	"hash/crc32"
)

// EventStream is the content type of answers that are streams of events.
const EventStream = "application/vnd.amazon.eventstream"

// EventStreams is a Flow of events, each a frame:
//
//	+-----------+-------------+----------+-----------+-----------+-----------+
//	| total u32 | headers u32 | CRC u32  | headers … | payload … | CRC u32   |
//	+-----------+-------------+----------+-----------+-----------+-----------+
//	                           of the two             of all before
//
// A header is a name (length u8), the type 7 (a string) and a value (length
// u16). Numbers are big endian, sums CRC-32 (AWS event stream encoding).
type EventStreams struct{ flow *Flow }

// Events begins an answer of events with the one that clients wait for first.
func (f *Flow) Events() (*EventStreams, error) {
	e := &EventStreams{flow: f}
	if err := f.Begin(EventStream); err != nil {
		return nil, err
	}
	return e, e.Send(AppendEvent(nil, []byte("{}"), ":message-type", "event", ":event-type", "initial-response", ":content-type", "application/json"))
}

// EventFrame is one event, to be sent to as many as want it; payload is its JSON.
func EventFrame(kind string, payload *Reply) []byte {
	const around = 160 // what stands around a payload
	return AppendEvent(make([]byte, 0, len(payload.buf)+around), payload.buf,
		":message-type", "event", ":event-type", kind, ":content-type", "application/json")
}

// Send sends one event. Its bytes are not changed, nor used after that.
func (e *EventStreams) Send(frame []byte) error {
	if _, err := e.flow.Write(frame); err != nil {
		return err
	}
	return e.flow.Flush()
}

// Fail sends an error of the API's, after which no more may be sent.
func (e *EventStreams) Fail(err *Error) error {
	var body Reply
	body.Open("")
	body.Text("message", err.Message)
	body.Close()
	return e.Send(AppendEvent(nil, body.buf, ":message-type", "exception", ":exception-type", err.Code, ":content-type", "application/json"))
}

// AppendEvent writes one frame; headers are names and values in turn.
func AppendEvent(b, payload []byte, headers ...string) []byte {
	start, length := len(b), 0
	for i := 0; i+1 < len(headers); i += 2 {
		length += 1 + len(headers[i]) + 1 + 2 + len(headers[i+1])
	}
	b = binary.BigEndian.AppendUint32(b, uint32(12+length+len(payload)+4))
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
	for i := 0; i+1 < len(headers); i += 2 {
		b = append(append(b, byte(len(headers[i]))), headers[i]...)
		b = binary.BigEndian.AppendUint16(append(b, 7), uint16(len(headers[i+1])))
		b = append(b, headers[i+1]...)
	}
	b = append(b, payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
}
