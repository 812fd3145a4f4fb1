package videoapi

import (
	"errors"
	"net/http"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// The names of Kinesis Video's errors.
const (
	clientLimit      = "ClientLimitExceededException"
	connectionLimit  = "ConnectionLimitExceededException"
	invalidArgument  = "InvalidArgumentException"
	notAuthorized    = "NotAuthorizedException"
	resourceInUse    = "ResourceInUseException"
	resourceNotFound = "ResourceNotFoundException"
	streamLimit      = "AccountStreamLimitExceededException"
	tooManyTags      = "TagsPerResourceExceededLimitException"
	unsupportedMedia = "UnsupportedStreamMediaTypeException"
	versionMismatch  = "VersionMismatchException"
)

// explain is the AWS error of an error of the house (DESIGN.md, "Errors").
func explain(err error) *awsapi.Error {
	stream, cause := shardlog.StreamName(""), ""
	var e *shardlog.Error
	if errors.As(err, &e) {
		stream = e.Stream
		if e.Err != nil {
			cause = e.Err.Error()
		}
	}
	switch shardlog.KindOf(err) {
	case shardlog.Invalid, shardlog.Expired:
		return awsapi.Fail(invalidArgument, "%s", cause)
	case shardlog.NotFound:
		return noStream(stream)
	case shardlog.InUse:
		return awsapi.Fail(resourceInUse, "The stream %s already exists in the account %s.", stream, awsapi.Account)
	case shardlog.LimitExceeded:
		return awsapi.Fail(streamLimit, "%s", cause)
	case shardlog.Throttled, shardlog.Full:
		return awsapi.Fail(clientLimit, "The gateway takes no more for this stream now. Please try again.")
	case shardlog.Denied:
		return &awsapi.Error{Status: http.StatusUnauthorized, Code: notAuthorized, Message: cause}
	case shardlog.Unavailable, shardlog.Unknown:
		return awsapi.Busy("The gateway cannot do this now. Please try again.")
	}
	return awsapi.Failure()
}

// notFound is a ResourceNotFoundException with its own text.
func notFound(text string) *awsapi.Error {
	return &awsapi.Error{Status: http.StatusNotFound, Code: resourceNotFound, Message: text}
}

func noStream(name shardlog.StreamName) *awsapi.Error {
	return notFound("The requested stream " + string(name) + " is not found or not active.")
}

func noFragments() *awsapi.Error {
	return notFound("No fragments found in the stream for the request.")
}

func invalid(format string, args ...any) *awsapi.Error {
	return awsapi.Fail(invalidArgument, format, args...)
}
