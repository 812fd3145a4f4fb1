package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"
)

// Limits of requests.
const (
	maxRequest     = 64 << 10 // bytes
	maxToken       = 64       // bytes of a client token
	maxDetails     = 10       // pairs
	maxDetailKey   = 128      // bytes
	maxDetailValue = 1024     // bytes
	maxStepMinutes = 7 * 24 * 60
)

// request is the payload of any operation on jobs; each knows its fields.
type request struct {
	ClientToken              string            `json:"clientToken"`
	Status                   Status            `json:"status"`
	StatusDetails            map[string]string `json:"statusDetails"`
	ExpectedVersion          *whole            `json:"expectedVersion"`
	ExecutionNumber          *int64            `json:"executionNumber"`
	IncludeJobExecutionState bool              `json:"includeJobExecutionState"`
	IncludeJobDocument       *bool             `json:"includeJobDocument"`
	StepTimeoutInMinutes     *int64            `json:"stepTimeoutInMinutes"`
}

// whole is a number that devices also write as a string.
type whole uint64

// UnmarshalJSON is part of the contract json.Unmarshaler.
func (w *whole) UnmarshalJSON(b []byte) error {
	if len(b) > 2 && b[0] == '"' {
		b = b[1 : len(b)-1]
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("%s is no version", b)
	}
	*w = whole(n)
	return nil
}

// decodeRequest reads a payload; an empty one asks without fields. What could
// be read is answered with a refusal, too: the token, to send it back.
func decodeRequest(payload []byte) (request, *refusal) {
	var r request
	if len(payload) > maxRequest {
		return r, refuse(InvalidRequest, fmt.Sprintf("%d bytes, %d are allowed", len(payload), maxRequest))
	}
	if len(payload) == 0 {
		return r, nil
	}
	if !utf8.Valid(payload) {
		return r, refuse(InvalidJSON, "the payload is no UTF-8")
	}
	if !json.Valid(payload) {
		return r, refuse(InvalidJSON, "the payload is no JSON")
	}
	err := json.Unmarshal(payload, &r)
	if len(r.ClientToken) > maxToken {
		r.ClientToken = ""
		return r, refuse(InvalidRequest, fmt.Sprintf("the client token is longer than %d bytes", maxToken))
	}
	if err != nil {
		return r, refuse(InvalidRequest, reason(err))
	}
	return r, r.check()
}

// reason says which field is wrong, in words that do not speak of Go.
func reason(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		if wrong.Field == "" {
			return "the payload is no object"
		}
		return "the field " + wrong.Field + " cannot be a " + wrong.Value
	}
	return err.Error()
}

// check answers what no operation takes.
func (r request) check() *refusal {
	if r.ExecutionNumber != nil && *r.ExecutionNumber < 0 {
		return refuse(InvalidRequest, "executionNumber is below 0")
	}
	if n := r.StepTimeoutInMinutes; n != nil && *n != noStep && (*n < 1 || *n > maxStepMinutes) {
		return refuse(InvalidRequest, fmt.Sprintf("stepTimeoutInMinutes is 1 to %d, or -1", maxStepMinutes))
	}
	if len(r.StatusDetails) > maxDetails {
		return refuse(InvalidRequest, fmt.Sprintf("%d status details, %d are allowed", len(r.StatusDetails), maxDetails))
	}
	for key, value := range r.StatusDetails {
		if len(key) > maxDetailKey || !detailKey.MatchString(key) {
			return refuse(InvalidRequest, fmt.Sprintf("the name of a status detail is 1 to %d of a-z, A-Z, 0-9, colon, underline and hyphen", maxDetailKey))
		}
		if len(value) == 0 || len(value) > maxDetailValue {
			return refuse(InvalidRequest, fmt.Sprintf("a status detail is 1 to %d bytes", maxDetailValue))
		}
	}
	return nil
}

var detailKey = regexp.MustCompile(`^[a-zA-Z0-9:_-]+$`)

// names reports whether the request means the only execution there is.
func (r request) names() bool {
	return r.ExecutionNumber == nil || *r.ExecutionNumber == executionNumber
}

// document reports whether the answer is to hold the job's document.
func (r request) document(otherwise bool) bool {
	if r.IncludeJobDocument == nil {
		return otherwise
	}
	return *r.IncludeJobDocument
}

// report is what the request says of an execution.
func (r request) report(status Status) report {
	return report{status: status, expected: (*uint64)(r.ExpectedVersion), details: r.StatusDetails, step: r.StepTimeoutInMinutes}
}
