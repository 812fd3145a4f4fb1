package httpendpoint

import (
	"encoding/json"
	"fmt"
	"net/http"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
)

// judge says what an answer means. Delivered is 200 with our request's id and
// nothing else. Amazon tries everything else again, and drops a batch that the
// endpoint finds too large; here that is halved, as is one that the endpoint
// calls bad, and what a person must mend is held.
func (s *Sink) judge(id string, a post.Answer) firehose.Result {
	r := a.Result(s.name)
	if !r.Done() {
		return r
	}
	var reply struct {
		RequestID    string `json:"requestId"`
		ErrorMessage string `json:"errorMessage"`
	}
	if err := json.Unmarshal(a.Body, &reply); err != nil {
		return a.Fail(firehose.Transient, s.name+" does not answer in the protocol's JSON:")
	}
	if a.Status != http.StatusOK || reply.RequestID != id {
		return firehose.Fail(firehose.Transient, fmt.Errorf("%s answers %d for request %.40q, 200 for %s is wanted: %.200s", s.name, a.Status, reply.RequestID, id, reply.ErrorMessage))
	}
	return r
}
