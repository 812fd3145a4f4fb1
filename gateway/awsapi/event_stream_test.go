package awsapi_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"headgate/gateway/awsapi"
)

var errFrame = errors.New("no whole frame")

// readEvent takes one frame apart: names and values in turn, as AppendEvent
// takes them, the payload, and what stands behind the frame.
func readEvent(b []byte) (payload []byte, headers []string, rest []byte, err error) {
	if len(b) < 16 {
		return nil, nil, nil, errFrame
	}
	total, length := uint64(binary.BigEndian.Uint32(b)), uint64(binary.BigEndian.Uint32(b[4:]))
	if total > uint64(len(b)) || length+16 > total || crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]) {
		return nil, nil, nil, errFrame
	}
	end := total - 4
	if crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return nil, nil, nil, errFrame
	}
	for h := b[12 : 12+length]; len(h) > 0; {
		n := int(h[0])
		if len(h) < 1+n+3 || h[1+n] != 7 {
			return nil, nil, nil, errFrame
		}
		v := int(binary.BigEndian.Uint16(h[2+n:]))
		if len(h) < 4+n+v {
			return nil, nil, nil, errFrame
		}
		headers = append(headers, string(h[1:1+n]), string(h[4+n:4+n+v]))
		h = h[4+n+v:]
	}
	return b[12+length : end], headers, b[total:], nil
}

// TestTheSDKReadsOurFrames: two in a row, decoded by Amazon's own reader.
func TestTheSDKReadsOurFrames(t *testing.T) {
	frames := awsapi.AppendEvent(nil, []byte("{}"), ":message-type", "event", ":event-type", "initial-response")
	frames = awsapi.AppendEvent(frames, nil, ":message-type", "exception")
	d, r := eventstream.NewDecoder(), bytes.NewReader(frames)
	first, err := d.Decode(r, nil)
	if err != nil || string(first.Payload) != "{}" || first.Headers.Get(":event-type").String() != "initial-response" {
		t.Errorf("%+v, %v", first, err)
	}
	second, err := d.Decode(r, nil)
	if err != nil || len(second.Payload) != 0 || second.Headers.Get(":message-type").String() != "exception" || r.Len() != 0 {
		t.Errorf("%+v, %v", second, err)
	}
}

// FuzzReadEvent: whatever the reader takes, the writer makes again byte for byte.
func FuzzReadEvent(f *testing.F) {
	f.Add(awsapi.AppendEvent(nil, []byte("{}"), ":message-type", "event"))
	f.Add(awsapi.AppendEvent(nil, nil))
	f.Add([]byte("no frame at all, but long enough"))
	f.Fuzz(func(t *testing.T, b []byte) {
		payload, headers, rest, err := readEvent(b)
		if err != nil {
			return
		}
		if again := awsapi.AppendEvent(nil, payload, headers...); !bytes.Equal(again, b[:len(b)-len(rest)]) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

// FuzzAppendEvent: what is written is read again, and no longer once a bit has turned.
func FuzzAppendEvent(f *testing.F) {
	f.Add([]byte("{}"), "name", "value", uint16(9))
	f.Fuzz(func(t *testing.T, payload []byte, name, value string, at uint16) {
		if len(name) > 255 || len(value) > 65535 {
			return
		}
		frame := awsapi.AppendEvent(nil, payload, name, value)
		p, h, rest, err := readEvent(frame)
		if err != nil || !bytes.Equal(p, payload) || len(h) != 2 || h[0] != name || h[1] != value || len(rest) != 0 {
			t.Fatalf("%q %q %q, %v", p, h, rest, err)
		}
		frame[int(at)%len(frame)] ^= 1
		if _, _, _, err := readEvent(frame); err == nil {
			t.Error("a turned bit is not seen")
		}
	})
}
