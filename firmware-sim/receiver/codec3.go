package receiver

import (
	"fmt"
	"io"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// codec3 is MQTT 3.1.1, by the packets of paho.mqtt.golang.
type codec3 struct{}

func (codec3) connect(w io.Writer, client string) error {
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.ClientIdentifier, p.Keepalive = "MQTT", 4, client, keepAlive
	return p.Write(w)
}

func (codec3) subscribe(w io.Writer, filter string, qos byte) error {
	p := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	p.MessageID, p.Topics, p.Qoss = 1, []string{filter}, []byte{qos}
	return p.Write(w)
}

func (codec3) answer(w io.Writer, k kind, id uint16) error {
	p := packets.NewControlPacket(byte(k))
	switch a := p.(type) {
	case *packets.PubackPacket:
		a.MessageID = id
	case *packets.PubrecPacket:
		a.MessageID = id
	case *packets.PubcompPacket:
		a.MessageID = id
	}
	return p.Write(w)
}

func (codec3) read(r io.Reader) (packet, error) {
	all, err := packets.ReadPacket(r)
	if err != nil {
		return packet{}, err
	}
	switch p := all.(type) {
	case *packets.ConnackPacket:
		return packet{kind: connack, code: p.ReturnCode, present: p.SessionPresent}, nil
	case *packets.SubackPacket:
		if len(p.ReturnCodes) == 1 {
			return packet{kind: suback, id: p.MessageID, code: p.ReturnCodes[0]}, nil
		}
	case *packets.PublishPacket:
		return packet{kind: publish, id: p.MessageID, qos: p.Qos, topic: p.TopicName, payload: p.Payload}, nil
	case *packets.PubrelPacket:
		return packet{kind: pubrel, id: p.MessageID}, nil
	case *packets.PingrespPacket:
		return packet{}, nil
	}
	return packet{}, fmt.Errorf("%s: %w", all, errProtocol)
}
