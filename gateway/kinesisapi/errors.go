package kinesisapi

import (
	"errors"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// The names of Kinesis's errors.
const (
	accessDenied     = "AccessDeniedException"
	invalidArgument  = "InvalidArgumentException"
	resourceNotFound = "ResourceNotFoundException"
	resourceInUse    = "ResourceInUseException"
	limitExceeded    = "LimitExceededException"
	throughput       = "ProvisionedThroughputExceededException"
	expiredIterator  = "ExpiredIteratorException"
	expiredToken     = "ExpiredNextTokenException"
	internalFailure  = "InternalFailure"
)

// about is an error of the log with the stream that it concerns.
type about struct {
	stream shardlog.StreamName
	err    error
}

func (e *about) Error() string { return "stream " + string(e.stream) + ": " + e.err.Error() }

func (e *about) Unwrap() error { return e.err }

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
	var a *about
	if errors.As(err, &a) {
		stream = a.stream
	}
	switch shardlog.KindOf(err) {
	case shardlog.Invalid:
		return awsapi.Fail(invalidArgument, "%s", cause)
	case shardlog.NotFound:
		return noStream(stream)
	case shardlog.InUse:
		return awsapi.Fail(resourceInUse, "Stream %s under account %s already exists.", stream, awsapi.Account)
	case shardlog.LimitExceeded:
		return awsapi.Fail(limitExceeded, "%s", cause)
	case shardlog.Throttled:
		if e != nil && e.Shard != nil {
			return overRate(stream, *e.Shard)
		}
		return awsapi.Fail(throughput, "Rate exceeded for stream %s under account %s.", stream, awsapi.Account)
	case shardlog.Full:
		return awsapi.Fail(throughput, "The gateway's disk budget is used up: stream %s under account %s takes no records now.",
			stream, awsapi.Account)
	case shardlog.Expired:
		return awsapi.Fail(expiredIterator, "%s", cause)
	case shardlog.Denied:
		return awsapi.Fail(accessDenied, "%s", cause)
	case shardlog.Unavailable, shardlog.Unknown:
		return awsapi.Busy("The gateway cannot do this now. Please try again.")
	}
	return awsapi.Failure()
}

func noStream(name shardlog.StreamName) *awsapi.Error {
	return awsapi.Fail(resourceNotFound, "Stream %s under account %s not found.", name, awsapi.Account)
}

func noShard(shard string, name shardlog.StreamName) *awsapi.Error {
	return awsapi.Fail(resourceNotFound, "Shard %s in stream %s under account %s does not exist", shard, name, awsapi.Account)
}

func overRate(name shardlog.StreamName, shard shardlog.ShardID) *awsapi.Error {
	return awsapi.Fail(throughput, "Rate exceeded for shard %s in stream %s under account %s.",
		shardName(shard.Number), name, awsapi.Account)
}

// dryRun is the answer to a request that would have been done.
func dryRun() *awsapi.Error {
	return awsapi.Fail("DryRunOperationException", "Request would have succeeded, but the DryRun flag is set.")
}
