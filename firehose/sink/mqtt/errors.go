package mqtt

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/eclipse/paho.golang/packets"

	"headgate/firehose"
)

// reason is a broker's reason code (MQTT 5 section 2.4) with its words.
type reason struct {
	code byte
	text string
}

// firstFault is the least code that is one.
const firstFault = 0x80

func (r reason) Error() string {
	if r.text == "" {
		return fmt.Sprintf("the broker answers reason code 0x%02X", r.code)
	}
	return fmt.Sprintf("the broker answers reason code 0x%02X: %s", r.code, r.text)
}

// name is the code as the error output shows it.
func (r reason) name() string { return fmt.Sprintf("MQTT.0x%02X", r.code) }

// class is what the code means for the delivery. 0x80 and 0x83 say nothing of
// whose fault it is: it is tried again.
func (r reason) class() firehose.Class {
	switch r.code {
	case packets.ConnackBadUsernameOrPassword, packets.ConnackNotAuthorized, packets.ConnackBanned, packets.ConnackBadAuthenticationMethod:
		return firehose.Auth
	case packets.ConnackUnsupportedProtocolVersion, packets.ConnackInvalidClientID, packets.ConnackRetainNotSupported, packets.ConnackQoSNotSupported,
		packets.ConnackUseAnotherServer, packets.ConnackServerMoved:
		return firehose.Config
	case packets.ConnackTopicNameInvalid, packets.ConnackPayloadFormatInvalid, packets.ConnackPacketTooLarge:
		return firehose.Poison
	case packets.ConnackServerBusy, packets.ConnackQuotaExceeded, packets.ConnackConnectionRateExceeded, packets.DisconnectMessageRateTooHigh:
		return firehose.Throttled
	}
	return firehose.Transient
}

// told reports that the broker itself has said no.
func told(err error) bool {
	var why reason
	return errors.As(err, &why)
}

// class is what a failure means for the delivery.
func class(err error) firehose.Class {
	var why reason
	var unverified *tls.CertificateVerificationError
	var alert *net.OpError
	switch {
	case errors.As(err, &why):
		return why.class()
	case errors.As(err, &unverified):
		return firehose.Config
	case errors.As(err, &alert) && alert.Op == "remote error": // an alert of TLS: it wants another certificate of ours
		return firehose.Auth
	}
	return firehose.Transient
}

func classify(err error) firehose.Result { return firehose.Fail(class(err), err) }
