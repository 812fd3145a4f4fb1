package mqtt

import (
	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/shardlog"
)

// verdict is the answer to one PUBLISH: stored, or the reason code of MQTT 5
// that refuses it.
type verdict uint8

// The verdicts. Those from 0x80 are reason codes of PUBACK and PUBREC.
const (
	stored      verdict = 0x00
	unspecified verdict = 0x80
	denied      verdict = 0x87
	badTopic    verdict = 0x90
	overQuota   verdict = 0x97
	badPayload  verdict = 0x99
)

// reason is the verdict as Stats counts it.
func (v verdict) reason() string {
	switch v {
	case denied:
		return "denied"
	case badTopic:
		return "topic"
	case overQuota:
		return "full"
	case badPayload:
		return "payload"
	default:
		return "internal"
	}
}

// judge is what a refusal by the log means to a device: a verdict, or the
// advice to try the same entry again.
func judge(err error) (v verdict, again bool) {
	switch shardlog.KindOf(err) {
	case shardlog.Throttled, shardlog.Unavailable, shardlog.Unknown, shardlog.Moved, shardlog.NotFound, shardlog.Conflict:
		return 0, true
	case shardlog.Full, shardlog.LimitExceeded:
		return overQuota, false
	case shardlog.Invalid:
		return badPayload, false
	case shardlog.Denied:
		return denied, false
	default:
		return unspecified, false
	}
}

// returnCode is the CONNACK code of MQTT 3.1.1 (3.2.2.3) for a reason code of
// MQTT 5.
func returnCode(code packets.Code) byte {
	switch code {
	case packets.ErrUnsupportedProtocolVersion:
		return packets.Err3UnsupportedProtocolVersion.Code
	case packets.ErrUnspecifiedError, packets.ErrClientIdentifierNotValid:
		return packets.Err3ClientIdentifierNotValid.Code
	case packets.ErrServerBusy, packets.ErrServerUnavailable, packets.ErrQuotaExceeded:
		return packets.Err3ServerUnavailable.Code
	default:
		return packets.Err3NotAuthorized.Code
	}
}
