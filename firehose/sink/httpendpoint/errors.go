package httpendpoint

import (
	"encoding/json"
	"fmt"
	"net/http"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
)

// reply is the body of an answer in the protocol, of a refusal too.
type reply struct {
	RequestID    string `json:"requestId"`
	ErrorMessage string `json:"errorMessage"`
}

// result is what a status means. Some are never about a record, but about the
// form of all requests: content types and encodings.
func (s *Sink) result(a post.Answer) firehose.Result {
	r := a.Result(s.name)
	if a.Status == http.StatusNotAcceptable || a.Status == http.StatusUnsupportedMediaType {
		r.Class = firehose.Config
	}
	return r
}

// judge says what an answer to the request means. Delivered is 200 with the
// request's id and nothing else. Amazon tries everything else again, and drops
// a batch that the endpoint finds too large; here that is halved, and what a
// person must mend is held. A request that the endpoint calls bad is halved
// too, until the record at fault is alone, but only on the endpoint's own word
// for this request: an answer outside the protocol counts for no more than a
// 500 without a body ("Default behavior on error"), lest a proxy's page sends
// all records to the error output.
func (s *Sink) judge(id string, a post.Answer) firehose.Result {
	r := s.result(a)
	if !r.Done() && r.Class != firehose.Poison {
		return r
	}
	var said reply
	err := json.Unmarshal(a.Body, &said)
	switch {
	case err != nil:
		return a.Fail(firehose.Transient, s.name+" does not answer in the protocol's JSON:")
	case said.RequestID != id, r.Done() && a.Status != http.StatusOK:
		return firehose.Fail(firehose.Transient, fmt.Errorf("%s answers %d for request %.40q, 200 for %s is wanted: %.200s", s.name, a.Status, said.RequestID, id, said.ErrorMessage))
	}
	return r
}
