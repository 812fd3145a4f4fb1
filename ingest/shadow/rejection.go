package shadow

import (
	"errors"
	"fmt"
)

// Rejection is why a request was not done, as AWS's Device Shadow service tells
// it ("Device Shadow error messages"). It is an error of Go methods, and what
// …/rejected says.
type Rejection struct {
	Code    int // of HTTP
	Message string
}

// Error is code and message.
func (r *Rejection) Error() string { return fmt.Sprintf("%d: %s", r.Code, r.Message) }

func reject(code int, message string) error { return &Rejection{Code: code, Message: message} }

// rejection is the Rejection that an error is; nil: it is something else.
func rejection(err error) *Rejection {
	var r *Rejection
	if errors.As(err, &r) {
		return r
	}
	return nil
}
