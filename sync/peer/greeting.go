package peer

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// The gateway that was called speaks first, once it knows who called. TLS 1.3
// has the caller believe that it is in before the other has judged its
// certificate; the greeting tells, and when it refuses it says why. So a dial
// that succeeded is one that was wanted, and one that failed sent nothing.
//
//	+-------------+----------------+
//	| length      | error, as JSON |
//	|   2, BE     |    length      |
//	+-------------+----------------+
//	length 0: welcome
const maxGreeting = 4096

func readGreeting(r io.Reader) error {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("wait for the greeting: %w", err)
	}
	n := binary.BigEndian.Uint16(head[:])
	if n == 0 {
		return nil
	}
	if n > maxGreeting {
		return fmt.Errorf("the greeting has %d bytes, %d are allowed", n, maxGreeting)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return fmt.Errorf("read the greeting: %w", err)
	}
	return refusal{decodeError(text)}
}

// writeGreeting welcomes, or refuses with an error.
func writeGreeting(w io.Writer, refused error) error {
	frame := []byte{0, 0}
	if refused != nil {
		told := wireOf(refused)
		text, err := json.Marshal(told)
		if err == nil && len(text) > maxGreeting {
			text, err = json.Marshal(wireError{Kind: told.Kind, Message: "refused", RetryAfter: told.RetryAfter})
		}
		if err != nil {
			return err
		}
		frame = append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
	}
	_, err := w.Write(frame)
	return err
}
