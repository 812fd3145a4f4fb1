package firehoseapi

import (
	"errors"
	"net/http"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// The names of Firehose's errors.
const (
	invalidArgument    = "InvalidArgumentException"
	resourceNotFound   = "ResourceNotFoundException"
	resourceInUse      = "ResourceInUseException"
	limitExceeded      = "LimitExceededException"
	concurrent         = "ConcurrentModificationException"
	accessDenied       = "AccessDeniedException"
	serviceUnavailable = "ServiceUnavailableException"
)

// explain is the AWS error of an error of the house (DESIGN.md, "Errors").
func explain(err error) *awsapi.Error {
	text := err.Error()
	var e *shardlog.Error
	if errors.As(err, &e) && e.Err != nil {
		text = e.Err.Error()
	}
	switch shardlog.KindOf(err) {
	case shardlog.Invalid:
		return invalid("%s", text)
	case shardlog.NotFound:
		return awsapi.Fail(resourceNotFound, "%s", text)
	case shardlog.InUse:
		return awsapi.Fail(resourceInUse, "%s", text)
	case shardlog.Conflict:
		return awsapi.Fail(concurrent, "The delivery stream was changed meanwhile. Describe it again.")
	case shardlog.LimitExceeded:
		return awsapi.Fail(limitExceeded, "%s", text)
	case shardlog.Denied:
		return awsapi.Fail(accessDenied, "%s", text)
	case shardlog.Throttled:
		return unavailable(slowDown)
	case shardlog.Full:
		return unavailable("The gateway's disk budget is used up: it takes no records now.")
	case shardlog.Unavailable, shardlog.Unknown:
		return unavailable("The gateway cannot do this now. Please try again.")
	}
	return awsapi.Failure()
}

// slowDown is how Firehose says that a rate is exceeded.
const slowDown = "Slow down."

func invalid(format string, args ...any) *awsapi.Error {
	return awsapi.Fail(invalidArgument, format, args...)
}

// refused is the answer to a feature that this gateway does not have. What
// would be stored and not done is refused, never dropped in silence.
func refused(member, why string) *awsapi.Error {
	return invalid("%s is not supported by this gateway: %s.", member, why)
}

func unavailable(why string) *awsapi.Error {
	return &awsapi.Error{Status: http.StatusServiceUnavailable, Code: serviceUnavailable, Message: why}
}

func noDelivery(name string) *awsapi.Error {
	return awsapi.Fail(resourceNotFound, "Firehose %s under account %s not found.", name, awsapi.Account)
}
