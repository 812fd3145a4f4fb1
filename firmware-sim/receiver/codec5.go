package receiver

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"github.com/eclipse/paho.golang/packets"
)

// codec5 is MQTT 5, by the packets of paho.golang.
type codec5 struct{}

func (codec5) connect(w io.Writer, client string) error {
	forever := uint32(math.MaxUint32)
	return whole(w, &packets.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: client, KeepAlive: keepAlive,
		Properties: &packets.Properties{SessionExpiryInterval: &forever}})
}

func (codec5) subscribe(w io.Writer, filter string, qos byte) error {
	return whole(w, &packets.Subscribe{PacketID: 1, Properties: &packets.Properties{}, Subscriptions: []packets.SubOptions{{Topic: filter, QoS: qos}}})
}

func (codec5) answer(w io.Writer, k kind, id uint16) error {
	switch k {
	case puback:
		return whole(w, &packets.Puback{PacketID: id})
	case pubrec:
		return whole(w, &packets.Pubrec{PacketID: id})
	case pubcomp:
		return whole(w, &packets.Pubcomp{PacketID: id})
	}
	return whole(w, &packets.Pingreq{})
}

// whole writes a packet in one, which the library would write in parts.
func whole(w io.Writer, p io.WriterTo) error {
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (codec5) read(r io.Reader) (packet, error) {
	all, err := packets.ReadPacket(r)
	if err != nil {
		return packet{}, err
	}
	switch p := all.Content.(type) {
	case *packets.Connack:
		return packet{kind: connack, code: p.ReasonCode, present: p.SessionPresent}, nil
	case *packets.Suback:
		if len(p.Reasons) == 1 {
			return packet{kind: suback, id: p.PacketID, code: p.Reasons[0]}, nil
		}
	case *packets.Publish:
		return packet{kind: publish, id: p.PacketID, qos: p.QoS, topic: p.Topic, payload: p.Payload}, nil
	case *packets.Pubrel:
		return packet{kind: pubrel, id: p.PacketID}, nil
	case *packets.Pingresp:
		return packet{}, nil
	case *packets.Disconnect:
		return packet{}, fmt.Errorf("the broker disconnects: 0x%02x", p.ReasonCode)
	}
	return packet{}, fmt.Errorf("%s: %w", all, errProtocol)
}
