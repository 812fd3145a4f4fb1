package opensearch

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"headgate/firehose"
)

const (
	who            = "the search server"
	codeNoDocument = "OpenSearch.NoDocument"
	mostReason     = 200
)

// item is what became of one operation ("Bulk", OpenSearch documentation).
type item struct {
	Status int `json:"status"`
	Error  struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	} `json:"error"`
}

// parse reads the answer to a bulk request of n operations.
func parse(body []byte, n int) ([]item, error) {
	var answer struct {
		Errors *bool             `json:"errors"`
		Items  []map[string]item `json:"items"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Errors == nil {
		return nil, errors.New("the answer is not that to a bulk request")
	}
	if len(answer.Items) != n {
		return nil, fmt.Errorf("the answer has %d items, %d were sent", len(answer.Items), n)
	}
	all := make([]item, n)
	for i, one := range answer.Items {
		if len(one) != 1 {
			return nil, fmt.Errorf("item %d has %d results", i, len(one))
		}
		for _, result := range one {
			all[i] = result
		}
	}
	return all, nil
}

// outcome adds up what became of a batch.
type outcome struct {
	there   int // documents that were there before
	bytes   int64
	refused []firehose.Item
	busy    string           // why the server had no room
	held    *firehose.Result // what a person must mend
}

// sort adds the results of operations and answers those to send again.
func (o *outcome) sort(sent []operation, items []item) (again []operation) {
	for i, result := range items {
		switch class := result.class(); class {
		case firehose.Delivered:
			if result.Status == http.StatusConflict {
				o.there++
			}
		case firehose.Throttled, firehose.Transient:
			again, o.busy = append(again, sent[i]), result.String()
		case firehose.Poison:
			o.refused = append(o.refused, firehose.Item{Seq: sent[i].seq, Code: "OpenSearch." + result.Error.Type, Message: result.Error.Reason})
		default:
			r := firehose.Fail(class, fmt.Errorf("%s: %s", who, result))
			o.held = &r
			return nil
		}
	}
	return again
}

func (o *outcome) result(count int) firehose.Result {
	if len(o.refused) > 0 {
		r := firehose.Fail(firehose.Poison, fmt.Errorf("%s does not take %d of %d documents: %s %s", who, len(o.refused), count, o.refused[0].Code, clip(o.refused[0].Message)))
		r.Items = o.refused
		return r
	}
	if o.there == count {
		return firehose.Result{Class: firehose.Delivered, Already: true}
	}
	return firehose.Result{Class: firehose.Delivered, Bytes: o.bytes}
}

// class says what a result means. 409 is the id that is there already.
func (r item) class() firehose.Class {
	switch {
	case r.Status/100 == 2 || r.Status == http.StatusConflict:
		return firehose.Delivered
	case r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable:
		return firehose.Throttled
	case r.Error.Type == "cluster_block_exception": // a full disk, mostly
		return firehose.Throttled
	case r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden:
		return firehose.Auth
	case r.Status == http.StatusNotFound, r.Error.Type == "index_closed_exception", r.Error.Type == "invalid_index_name_exception":
		return firehose.Config
	case r.Status/100 == 4:
		return firehose.Poison
	}
	return firehose.Transient
}

// String is the result for people.
func (r item) String() string {
	return fmt.Sprintf("%d %s %s", r.Status, r.Error.Type, clip(r.Error.Reason))
}

func clip(text string) string {
	if len(text) > mostReason {
		return text[:mostReason] + "…"
	}
	return text
}
