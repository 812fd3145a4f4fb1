package jobs

import "time"

// Code is why a request was refused, in AWS IoT's words.
type Code string

// The codes of jobs, and of files behind them.
const (
	InvalidTopic           Code = "InvalidTopic"
	InvalidJSON            Code = "InvalidJson"
	InvalidRequest         Code = "InvalidRequest"
	InvalidStateTransition Code = "InvalidStateTransition"
	ResourceNotFound       Code = "ResourceNotFound"
	VersionMismatch        Code = "VersionMismatch"
	TerminalStateReached   Code = "TerminalStateReached"

	InvalidCBOR              Code = "InvalidCbor"
	Unauthorized             Code = "Unauthorized"
	BlockSizeOutOfBounds     Code = "BlockSizeOutOfBounds"
	OffsetOutOfBounds        Code = "OffsetOutOfBounds"
	BlockCountLimitExceeded  Code = "BlockCountLimitExceeded"
	BlockBitmapLimitExceeded Code = "BlockBitmapLimitExceeded"
	InternalError            Code = "InternalError"
)

// refusal is a request that cannot be done, and will not be if it is repeated.
type refusal struct {
	code    Code
	message string
	at      *Execution // how far it is, where that tells the device more
}

func refuse(code Code, message string) *refusal { return &refusal{code: code, message: message} }

func (r *refusal) with(e Execution) *refusal {
	r.at = &e
	return r
}

// Error is for whoever sees it by mistake.
func (r *refusal) Error() string { return string(r.code) + ": " + r.message }

// answer is what the device is told.
func (r *refusal) answer(token string, now time.Time) []byte {
	a := answer{Code: r.code, Message: r.message, Timestamp: now.Unix(), ClientToken: token}
	if r.at != nil {
		a.ExecutionState = stateOf(*r.at)
	}
	return a.text()
}
