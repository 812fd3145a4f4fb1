package iotapi

import (
	"errors"
	"net/http"

	"headgate/gateway/awsapi"
	"headgate/ingest/shadow"
	"headgate/shardlog"
)

// The names of IoT's errors.
const (
	conflict         = "ConflictException"
	invalidRequest   = "InvalidRequestException"
	resourceNotFound = "ResourceNotFoundException"
	throttling       = "ThrottlingException"
	tooLarge         = "RequestEntityTooLargeException"
	unauthorized     = "UnauthorizedException"
)

// explain is the AWS error of an error of the house (DESIGN.md, "Errors") or of
// a shadow.
func explain(err error) *awsapi.Error {
	var rejected *shadow.Rejection
	if errors.As(err, &rejected) {
		code := map[int]string{http.StatusNotFound: resourceNotFound, http.StatusConflict: conflict, http.StatusRequestEntityTooLarge: tooLarge}[rejected.Code]
		if code == "" {
			code = invalidRequest
		}
		return &awsapi.Error{Status: rejected.Code, Code: code, Message: rejected.Message}
	}
	cause := err.Error()
	var e *shardlog.Error
	if errors.As(err, &e) && e.Err != nil {
		cause = e.Err.Error()
	}
	switch shardlog.KindOf(err) {
	case shardlog.Invalid, shardlog.LimitExceeded:
		return awsapi.Fail(invalidRequest, "%s", cause)
	case shardlog.NotFound:
		return notFound("There is no such resource.")
	case shardlog.Denied:
		return &awsapi.Error{Status: http.StatusUnauthorized, Code: unauthorized, Message: "Nobody publishes to this topic."}
	case shardlog.Throttled, shardlog.Full:
		return &awsapi.Error{Status: http.StatusTooManyRequests, Code: throttling, Message: "The gateway takes no more of this now. Please try again."}
	case shardlog.Unavailable, shardlog.Unknown:
		e := awsapi.Busy("The gateway cannot do this now. Please try again.")
		e.Code = "ServiceUnavailableException"
		return e
	}
	return awsapi.Failure()
}

func notFound(text string) *awsapi.Error {
	return &awsapi.Error{Status: http.StatusNotFound, Code: resourceNotFound, Message: text}
}

func invalid(format string, args ...any) *awsapi.Error {
	return awsapi.Fail(invalidRequest, format, args...)
}
