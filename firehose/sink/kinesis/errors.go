package kinesis

import (
	"errors"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"headgate/firehose"
)

// classify says what a failure means for the delivery ("Common errors",
// "PutRecords" and "PutRecordBatch", Kinesis Data Streams and Data Firehose API
// references).
func classify(err error) firehose.Result {
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) {
		switch coded.ErrorCode() {
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
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) {
		return firehose.Fail(firehose.Transient, err)
	}
	switch answer.HTTPStatusCode() {
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
