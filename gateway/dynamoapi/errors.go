package dynamoapi

import (
	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// The names of DynamoDB's errors.
const (
	conditionFailed  = "ConditionalCheckFailedException"
	resourceNotFound = "ResourceNotFoundException"
	resourceInUse    = "ResourceInUseException"
	limitExceeded    = "LimitExceededException"
	transactConflict = "TransactionConflictException"
	transactCanceled = "TransactionCanceledException"
)

// explain is the AWS error of an error of the house.
func explain(err error) *awsapi.Error {
	switch shardlog.KindOf(err) {
	case shardlog.Unavailable, shardlog.Unknown, shardlog.Full:
		return awsapi.Busy("The gateway cannot do this now. Please try again.")
	case shardlog.Invalid:
		return awsapi.Invalid("%s", err)
	}
	return &awsapi.Error{Status: 500, Code: "InternalServerError", Message: "Internal server error"}
}

func failedCondition() *awsapi.Error {
	return awsapi.Fail(conditionFailed, "The conditional request failed")
}
