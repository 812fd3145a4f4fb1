package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"headgate/shardlog"
)

// told is an answer's body.
type told struct {
	Error        string      `json:"error,omitempty"`
	Message      string      `json:"message,omitempty"`
	TraceID      string      `json:"traceId,omitempty"`
	RetryAfterMS int64       `json:"retryAfterMs,omitempty"`
	Failed       int         `json:"failed,omitempty"` // of Records
	Records      []toldPlace `json:"records,omitempty"`
}

// toldPlace is where one record lies, or why it does not.
type toldPlace struct {
	ShardID        string `json:"shardId,omitempty"`
	SequenceNumber string `json:"sequenceNumber,omitempty"`
	Error          string `json:"error,omitempty"`
	Message        string `json:"message,omitempty"`
	Retry          bool   `json:"retry,omitempty"` // it may be worth sending it again
}

// answer tells what became of the records. 2xx means all of them are stored;
// otherwise the status is that of the record that most deserves another try,
// and each record's own fate is in the body.
func (s *Server) answer(w http.ResponseWriter, c *call, results []shardlog.Result) {
	var worst refusal
	t := told{Records: make([]toldPlace, len(results))}
	for i := range results {
		one := &results[i]
		if one.Err == nil {
			t.Records[i] = toldPlace{ShardID: one.Shard.String(), SequenceNumber: one.Number.String()}
			continue
		}
		why := explain(one.Err)
		if why.status == http.StatusBadRequest { // key and metadata were checked: what is left is the size
			why.status, why.code = http.StatusRequestEntityTooLarge, "too large"
		}
		if why.status == http.StatusInternalServerError && worst.status != why.status {
			s.cfg.Log.Error("put", "stream", c.stream, "error", one.Err)
		}
		t.Failed++
		t.Records[i] = toldPlace{Error: why.code, Message: why.text, Retry: why.again()}
		wait := max(worst.wait, why.wait)
		if worst.status == 0 || why.weight() > worst.weight() {
			worst = why
		}
		worst.wait = wait
	}
	if t.Failed == 0 {
		s.stored(w, c, t)
		return
	}
	s.stats.refuse(worst.code)
	t.Error, t.Message = worst.code, worst.text
	if n := len(results); n > 1 {
		t.Message = strconv.Itoa(t.Failed) + " of " + strconv.Itoa(n) + " records were not stored; of one: " + worst.text
	} else {
		t.Records, t.Failed = nil, 0
	}
	send(w, worst, t)
}

// stored answers that all went well.
func (s *Server) stored(w http.ResponseWriter, c *call, t told) {
	if c.quiet {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if c.iot { // AWS IoT's answer, and where the record lies
		t.Message, t.TraceID = "OK", s.anyKey()
	}
	send(w, refusal{status: http.StatusOK}, t)
}

// refuse answers a request of which nothing was stored. The site may be nil.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, from *site, err error) {
	why := explain(err)
	if from == nil {
		s.cross(w.Header(), r, nil) // so that a page can read what is wrong
	} else {
		from.stats.refused.Add(1)
	}
	s.stats.refuse(why.code)
	if why.status == http.StatusInternalServerError {
		s.cfg.Log.Error("take request", "error", err)
	}
	send(w, why, told{Error: why.code, Message: why.text})
}

// send writes an answer.
func send(w http.ResponseWriter, why refusal, t told) {
	h := w.Header()
	if why.wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((why.wait+time.Second-1)/time.Second), 10))
		t.RetryAfterMS = int64((why.wait + time.Millisecond - 1) / time.Millisecond)
	}
	body, err := json.Marshal(t)
	if err != nil {
		panic(err) // strings and numbers
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(why.status)
	_, _ = w.Write(append(body, '\n')) // whoever has gone sends it again or not
}
