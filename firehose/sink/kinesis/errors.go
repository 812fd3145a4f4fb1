package kinesis

import (
	"errors"
	"net/http"

	"headgate/firehose"
	"headgate/firehose/sink/internal/awsjson"
)

// classify says what a failure means for the delivery ("Common errors",
// "PutRecords" and "PutRecordBatch", Kinesis Data Streams and Data Firehose API
// references).
func classify(err error) firehose.Result {
	var e *awsjson.Error
	if errors.As(err, &e) {
		switch e.Code {
		case "ProvisionedThroughputExceededException", "ServiceUnavailableException", "LimitExceededException", "KMSThrottlingException", "ThrottlingException":
			return firehose.Fail(firehose.Throttled, err)
		case "ResourceNotFoundException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException":
			return firehose.Fail(firehose.Config, err)
		case "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "IncompleteSignatureException", "ExpiredTokenException",
			"MissingAuthenticationTokenException", "InvalidClientTokenId", "NotAuthorized", "KMSAccessDeniedException", "KMSOptInRequired":
			return firehose.Fail(firehose.Auth, err)
		case "InvalidArgumentException", "ValidationException", "SerializationException":
			return firehose.Fail(firehose.Poison, err)
		}
	}
	if e == nil {
		return firehose.Fail(firehose.Transient, err)
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return firehose.Fail(firehose.Throttled, err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return firehose.Fail(firehose.Auth, err)
	case http.StatusNotFound, http.StatusMovedPermanently:
		return firehose.Fail(firehose.Config, err)
	case http.StatusRequestEntityTooLarge:
		return firehose.Fail(firehose.TooLarge, err)
	}
	return firehose.Fail(firehose.Transient, err)
}
