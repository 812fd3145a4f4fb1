package s3

import (
	"errors"
	"net/http"

	"headgate/firehose"
)

func codeOf(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	return ""
}

// statusOf is the HTTP status of an error, zero when no answer came.
func statusOf(err error) int {
	var f *failure
	if errors.As(err, &f) {
		return f.status
	}
	return 0
}

// classify says what a failure means for the delivery ("Error responses",
// Amazon S3 API reference).
func classify(err error) firehose.Result {
	switch codeOf(err) {
	case "SlowDown", "Throttling", "TooManyRequests":
		return throttled(err)
	case "EntityTooLarge":
		return firehose.Fail(firehose.TooLarge, err)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "AccountProblem":
		return firehose.Fail(firehose.Auth, err) // several of them come with status 400
	case "NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed", "InvalidBucketName", "IllegalLocationConstraintException":
		return firehose.Fail(firehose.Config, err)
	case "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "NoSuchUpload", "InvalidPart", "InvalidPartOrder":
		return firehose.Fail(firehose.Transient, err)
	}
	switch status := statusOf(err); {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return throttled(err)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return firehose.Fail(firehose.Auth, err)
	case status == http.StatusNotImplemented: // of conditions or checksums, most likely
		return firehose.Fail(firehose.Config, err)
	case status == http.StatusNotFound || status == http.StatusMovedPermanently || status == http.StatusTemporaryRedirect:
		return firehose.Fail(firehose.Config, err)
	case status == http.StatusRequestEntityTooLarge:
		return firehose.Fail(firehose.TooLarge, err)
	}
	return firehose.Fail(firehose.Transient, err)
}

func throttled(err error) firehose.Result {
	r := firehose.Fail(firehose.Throttled, err)
	var f *failure
	if errors.As(err, &f) {
		r.RetryAfter = f.after
	}
	return r
}
