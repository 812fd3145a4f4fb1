package receiver

import "io"

// kind is the type of an MQTT packet.
type kind byte

const (
	connack kind = 2
	publish kind = 3
	puback  kind = 4
	pubrec  kind = 5
	pubrel  kind = 6
	pubcomp kind = 7
	suback  kind = 9
	ping    kind = 12
)

// packet is what a receiver wants to know of one.
type packet struct {
	kind    kind
	id      uint16
	qos     byte   // of a PUBLISH
	topic   string // of a PUBLISH
	payload []byte // of a PUBLISH
	code    byte   // of a CONNACK or SUBACK
	present bool   // of a CONNACK: the broker knows the session
}

// codec is one version of MQTT. Each of its writes is one whole packet.
type codec interface {
	connect(w io.Writer, client string) error // in a session that lasts
	subscribe(w io.Writer, filter string, qos byte) error
	answer(w io.Writer, k kind, id uint16) error // PUBACK, PUBREC, PUBCOMP or PINGREQ
	read(r io.Reader) (packet, error)
}
