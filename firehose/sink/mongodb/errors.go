package mongodb

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"headgate/firehose"
)

// duplicateKey is the code of a document whose key is there already.
const duplicateKey = 11000

// classOf says what a code means ("Error Codes", MongoDB manual; and services
// that speak its protocol). All that are not named here may pass.
func classOf(code int, message string) firehose.Class {
	switch code {
	case 2, 9, 14, 15, 22, // BadValue, FailedToParse, TypeMismatch, Overflow, InvalidBSON
		52, 56, 57, 66, // DollarPrefixedFieldName, EmptyFieldName, DottedFieldName, ImmutableField
		121, 171, 10334, // DocumentValidationFailure, CannotIndexParallelArrays, BSONObjectTooLarge
		16755, 16756, 17280: // geometry that its index cannot take, KeyTooLong
		return firehose.Poison
	case 13, 18: // Unauthorized, AuthenticationFailed
		return firehose.Auth
	case 20, 26, 59, 73, 100, 166: // IllegalOperation, NamespaceNotFound, CommandNotFound, InvalidNamespace, UnsatisfiableWriteConcern, CommandNotSupportedOnView
		return firehose.Config
	case 462, 16500: // IngressRequestRateLimitExceeded; Cosmos DB's "request rate is large"
		return firehose.Throttled
	case 8000: // Atlas's front, of whatever it refuses
		if strings.Contains(message, "auth") {
			return firehose.Auth
		}
		return firehose.Config
	}
	return firehose.Transient
}

// classify says what a failure means for the delivery.
func classify(err error) firehose.Result {
	code, message, labels := coded(err)
	switch {
	case untrusted(err):
		return firehose.Fail(firehose.Config, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return firehose.Fail(firehose.Transient, err)
	case code != 0 && labels("SystemOverloadedError"): // without a code it is the driver's guess about a connection that broke
		return firehose.Fail(firehose.Throttled, err)
	case code != 0 && !labels("NetworkError"):
		return firehose.Fail(classOf(code, message), err)
	case strings.Contains(err.Error(), "auth error") && !broken(err): // a login that went wrong without a code
		return firehose.Fail(firehose.Auth, err)
	}
	return firehose.Fail(firehose.Transient, err)
}

// coded is a server's code. Those of a handshake come in the driver's own type.
func coded(err error) (code int, message string, labels func(string) bool) {
	labels = func(string) bool { return false }
	var command mongo.CommandError
	var write mongo.WriteError
	var concern *mongo.WriteConcernError
	var inner driver.Error
	switch {
	case errors.As(err, &command) && command.Code != 0:
		return int(command.Code), command.Message, command.HasErrorLabel
	case errors.As(err, &write):
		return write.Code, write.Message, write.HasErrorLabel
	case errors.As(err, &concern):
		return concern.Code, concern.Message, labels
	case errors.As(err, &inner):
		return int(inner.Code), inner.Message, inner.HasErrorLabel
	}
	return 0, "", labels
}

// broken reports that the connection ended or stood still.
func broken(err error) bool {
	var link net.Error
	return mongo.IsNetworkError(err) || errors.As(err, &link) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// untrusted reports a certificate that does not do. When no server could be
// chosen, each of them has a reason of its own.
func untrusted(err error) bool {
	var unchosen topology.ServerSelectionError
	if errors.As(err, &unchosen) {
		for _, server := range unchosen.Desc.Servers {
			if server.LastError != nil && untrusted(server.LastError) {
				return true
			}
		}
	}
	var unverified *tls.CertificateVerificationError
	return errors.As(err, &unverified)
}
