package kafka

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"headgate/firehose"
)

// class is what an error means that is not merely transient ("Error codes", Apache
// Kafka protocol guide).
func class(err error) firehose.Class {
	for class, errs := range map[firehose.Class][]error{
		firehose.Auth: {kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism,
			kerr.IllegalSaslState, kerr.TransactionalIDAuthorizationFailed, kerr.SecurityDisabled},
		firehose.Config:    {kerr.UnknownTopicOrPartition, kerr.InvalidTopicException, kerr.UnsupportedVersion, kerr.PolicyViolation, kerr.UnsupportedCompressionType},
		firehose.TooLarge:  {kerr.MessageTooLarge, kerr.RecordListTooLarge},
		firehose.Poison:    {kerr.InvalidRecord, kerr.CorruptMessage, kerr.InvalidTimestamp},
		firehose.Throttled: {kerr.ThrottlingQuotaExceeded},
	} {
		for _, e := range errs {
			if errors.Is(err, e) {
				return class
			}
		}
	}
	return firehose.Transient
}

func classify(err error) firehose.Result { return firehose.Fail(class(err), err) }

func codeError(code int16) error { return kerr.ErrorForCode(code) }
