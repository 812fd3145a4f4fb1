package mqtt

import (
	"errors"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"headgate/firehose"
)

// classify says what a failure means for the delivery (CONNACK return codes,
// MQTT 3.1.1 section 3.2.2.3).
func classify(err error) firehose.Result {
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return firehose.Fail(firehose.Auth, err)
	case errors.Is(err, packets.ErrorRefusedIDRejected), errors.Is(err, packets.ErrorRefusedBadProtocolVersion):
		return firehose.Fail(firehose.Config, err)
	}
	return firehose.Fail(firehose.Transient, err)
}
