// Package lambda calls functions: elsewhere by the Invoke API of AWS Lambda,
// and here, in a child process that is an unmodified Lambda bootstrap, by
// serving it the Lambda Runtime API. It does not know what events and replies
// mean.
package lambda

import (
	"context"
	"fmt"
)

// MaxPayload is the largest event or reply.
const MaxPayload = 6 << 20

// Invoker calls one function.
type Invoker interface {
	// Invoke sends an event and returns the reply. The function's own fault
	// comes back as *FunctionError; after any other error it is worth trying
	// again later.
	Invoke(ctx context.Context, event []byte) ([]byte, error)
}

// FunctionError says that the function took the event and failed.
type FunctionError struct {
	Code    string // Firehose's name for it
	Message string
}

// The codes of a FunctionError.
const (
	CodeFailed   = "Lambda.FunctionError"
	CodeTimedOut = "Lambda.FunctionTimedOut"
	CodeReply    = "Lambda.JsonProcessingException"
	CodeTooLarge = "Lambda.PayloadTooLarge"
)

// Error is the code and the message.
func (e *FunctionError) Error() string { return e.Code + ": " + e.Message }

func failed(code, format string, args ...any) error {
	return &FunctionError{code, fmt.Sprintf(format, args...)}
}

// maxMessage bounds what of a function's error text is kept.
const maxMessage = 1024

func short(text string) string {
	if len(text) > maxMessage {
		return text[:maxMessage] + "…"
	}
	return text
}
