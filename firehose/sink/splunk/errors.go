package splunk

import (
	"encoding/json"
	"fmt"
	"net/http"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
	"headgate/shardlog"
)

// The codes of a collector ("Troubleshoot HTTP Event Collector", possible
// error codes, Splunk Enterprise documentation).
const (
	codeTokenDisabled  = 1
	codeTokenRequired  = 2
	codeAuthorization  = 3
	codeTokenInvalid   = 4
	codeNoData         = 5
	codeFormat         = 6
	codeIndex          = 7
	codeInternal       = 8
	codeBusy           = 9
	codeNoChannel      = 10
	codeChannel        = 11
	codeEventRequired  = 12
	codeEventBlank     = 13
	codeAckDisabled    = 14
	codeFields         = 15
	codeQueuesFull     = 26 // with 429, as the next: queue at capacity
	codeAckUnavailable = 27 // acknowledgement channel at capacity
	codeUnknown        = -1
)

// reply is what a collector says.
type reply struct {
	code  int
	text  string
	event int // number of the event at fault, from zero; -1: it names none
	ackID *uint64
}

// read reads an answer; one that is no reply of a collector has codeUnknown.
func read(a post.Answer) reply {
	var text struct {
		Text  string  `json:"text"`
		Code  *int    `json:"code"`
		Event *int    `json:"invalid-event-number"`
		AckID *uint64 `json:"ackId"`
	}
	if a.Err != nil || json.Unmarshal(a.Body, &text) != nil || text.Code == nil {
		return reply{code: codeUnknown, event: -1}
	}
	r := reply{code: *text.Code, text: text.Text, event: -1, ackID: text.AckID}
	if text.Event != nil {
		r.event = *text.Event
	}
	return r
}

// judge says what an answer means. seqs are the records of the events that
// were sent. Only a code that is about events counts against them: a 400 with
// another or none is a proxy's, or about how we ask, and lasts until somebody
// has looked.
func (s *Sink) judge(a post.Answer, seqs []shardlog.Seq) firehose.Result {
	const who = "the collector"
	reply := read(a)
	switch reply.code {
	case codeUnknown:
		r := a.Result(who)
		if r.Done() || r.Class == firehose.Poison {
			return a.Fail(firehose.Config, "what is there is no collector:")
		}
		return r
	case 0:
		if a.Status == http.StatusOK {
			return firehose.Result{Class: firehose.Delivered}
		}
	case codeTokenDisabled, codeTokenRequired, codeAuthorization, codeTokenInvalid:
		return a.Fail(firehose.Auth, who)
	case codeIndex, codeNoChannel, codeChannel, codeAckDisabled:
		return a.Fail(firehose.Config, who)
	case codeBusy, codeQueuesFull, codeAckUnavailable:
		return a.Fail(firehose.Throttled, who)
	case codeInternal:
		return a.Fail(firehose.Transient, who)
	case codeNoData, codeFormat, codeEventRequired, codeEventBlank, codeFields:
		r := a.Fail(firehose.Poison, who)
		if reply.event >= 0 && reply.event < len(seqs) {
			r.Items = []firehose.Item{{Seq: seqs[reply.event], Code: fmt.Sprint("Splunk.", reply.code), Message: reply.text}}
		}
		return r
	}
	r := a.Result(who)
	if r.Class == firehose.Poison {
		r.Class = firehose.Config
	}
	return r
}
