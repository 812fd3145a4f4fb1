package awsapi

import (
	"fmt"
	"net/http"
)

// Error is an error as AWS clients see it.
type Error struct {
	Status  int    // HTTP; zero: 400
	Code    string // "ResourceNotFoundException"
	Message string // may be empty: then the body has none
	capital bool   // "Message" instead of "message": AWS's serialization errors have it
	name    string // of one more member
	more    any    // what it holds, as encoding/json writes it
}

// With is the error with one more member, of services that speak only JSON.
func (e *Error) With(name string, content any) *Error {
	more := *e
	more.name, more.more = name, content
	return &more
}

// Error is code and message.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// Fail makes an Error of status 400.
func Fail(code, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Failure is the answer to a fault of ours: it says nothing about it.
func Failure() *Error {
	return &Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: "Internal service failure."}
}

// Busy is the answer while something cannot be done now; SDKs try again.
func Busy(why string) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: why}
}

const validation = "ValidationException"

// Invalid is a ValidationException with its own text.
func Invalid(format string, args ...any) *Error { return Fail(validation, format, args...) }

func serialization(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "SerializationException", Message: message, capital: true}
}
