package packet

import "fmt"

// Connect says who connects.
type Connect struct {
	ClientID           string
	Username, Password string // none when both are empty
	KeepAlive          uint16 // seconds; zero: none
	Clean              bool   // the broker forgets what it knows of this client
	Will               *Message
	V5                 bool // MQTT 5; a session that is not Clean lasts an hour then
}

// Append appends the packet.
func (c Connect) Append(b []byte) []byte {
	flags := byte(0)
	if c.Clean {
		flags |= 2
	}
	if c.Will != nil {
		flags |= 4 | c.Will.QoS<<3
		if c.Will.Retain {
			flags |= 0x20
		}
	}
	if c.Username != "" || c.Password != "" {
		flags |= 0xc0
	}
	body := appendText(nil, "MQTT")
	level := byte(4)
	if c.V5 {
		level = 5
	}
	body = append(body, level, flags, byte(c.KeepAlive>>8), byte(c.KeepAlive))
	switch {
	case c.V5 && !c.Clean:
		body = append(body, 5, 17, 0, 0, 0x0e, 0x10) // session expiry interval, in seconds
	case c.V5:
		body = append(body, 0)
	}
	body = appendText(body, c.ClientID)
	if c.Will != nil {
		if c.V5 {
			body = append(body, 0)
		}
		body = appendText(appendText(body, c.Will.Topic), c.Will.Payload)
	}
	if flags&0xc0 != 0 {
		body = appendText(appendText(body, c.Username), c.Password)
	}
	return Raw{Head: CONNECT << 4, Body: body}.Append(b)
}

// Refused is the return code of a CONNACK that says no.
type Refused byte

// Error says what the code means.
func (r Refused) Error() string {
	switch r {
	case 1:
		return "refused: protocol version"
	case 2:
		return "refused: client id"
	case 3:
		return "refused: server unavailable"
	case 4:
		return "refused: user name or password"
	case 5, 0x87:
		return "refused: not authorized"
	}
	return fmt.Sprintf("refused: code %d", byte(r))
}

// Accepted reads a CONNACK: whether the broker knew the session. An error is
// Refused or ErrMalformed.
func Accepted(r Raw) (known bool, err error) {
	if r.Type() != CONNACK || len(r.Body) < 2 {
		return false, fmt.Errorf("no CONNACK: %w", ErrMalformed)
	}
	if r.Body[1] != 0 {
		return false, Refused(r.Body[1])
	}
	return r.Body[0]&1 != 0, nil
}
