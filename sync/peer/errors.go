package peer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"headgate/shardlog"
)

// wireError is an error on its way between gateways. Kinds go by name, so that
// another release may number them otherwise.
type wireError struct {
	Kind       string            `json:"kind"`
	Message    string            `json:"message"` // the whole text
	Op         string            `json:"op,omitempty"`
	Stream     string            `json:"stream,omitempty"`
	Shard      *shardlog.ShardID `json:"shard,omitempty"`
	RetryAfter time.Duration     `json:"retryAfter,omitempty"` // nanoseconds
	Removed    bool              `json:"removed,omitempty"`    // ErrRemoved is in it
}

// ErrRemoved is in what another gateway answers to one that was removed: this
// one does not belong to the site any more. Its Kind is Denied.
var ErrRemoved = errors.New("removed from the site")

const maxMessage = 1024

// wireOf is what another gateway is told of an error. A context that ended
// here, in the middle of a call, is no proof that nothing was done.
func wireOf(err error) wireError {
	w := wireError{Kind: shardlog.KindOf(err).String(), Message: cut(err.Error(), maxMessage), Removed: errors.Is(err, ErrRemoved)}
	var e *shardlog.Error
	if errors.As(err, &e) {
		w.Op, w.Stream, w.Shard, w.RetryAfter = cut(e.Op, 200), cut(string(e.Stream), 200), e.Shard, e.RetryAfter
	} else if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		w.Kind = shardlog.Unknown.String()
	}
	return w
}

func cut(text string, n int) string {
	if len(text) > n {
		text = text[:n] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}

// remoteError reads as it did where it happened; the house error in it has the
// same kind, operation, stream, shard and wait.
type remoteError struct {
	text  string
	house *shardlog.Error
}

// Error is the text of the other gateway.
func (r *remoteError) Error() string { return r.text }

// Unwrap is the error of the house.
func (r *remoteError) Unwrap() error { return r.house }

// decodeError reads an error that another gateway gave. What is none is
// Internal: an answer was made, but not by a gateway of ours.
func decodeError(text []byte) error {
	var w wireError
	if err := json.Unmarshal(text, &w); err != nil || w.Kind == "" {
		return shardlog.Errorf(shardlog.Internal, "read answer", "it is no error of a gateway: %.200q", text)
	}
	if w.RetryAfter < 0 {
		w.RetryAfter = 0
	}
	cause := errors.New(w.Message)
	if w.Removed {
		cause = ErrRemoved
	}
	return &remoteError{text: w.Message, house: &shardlog.Error{
		Kind: kindNamed(w.Kind), Op: w.Op, Stream: shardlog.StreamName(w.Stream), Shard: w.Shard, RetryAfter: w.RetryAfter, Err: cause,
	}}
}

// kindNamed is the kind with that name; Internal when there is none.
func kindNamed(name string) shardlog.Kind {
	for k := shardlog.Kind(0); k < 64; k++ {
		if k.String() == name {
			return k
		}
	}
	return shardlog.Internal
}

// WriteError answers a call with an error, which Call and Open give to the
// caller with the same Kind.
func WriteError(w http.ResponseWriter, err error) {
	text, _ := json.Marshal(wireOf(err)) // strings and numbers always can be
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusConflict) // any status but success: the kind is in the text
	_, _ = w.Write(text)
}

// maxError bounds an error that another gateway gives.
const maxError = 64 << 10

func readError(r *http.Response) error {
	defer r.Body.Close()
	text, err := io.ReadAll(io.LimitReader(r.Body, maxError))
	if err != nil {
		return err
	}
	return decodeError(text)
}
