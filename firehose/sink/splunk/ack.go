package splunk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
)

// await asks for an acknowledgement until it is there. A collector tells it
// once only ("About HTTP Event Collector Indexer Acknowledgment", Splunk
// Enterprise documentation): seen true once is final. Whoever is busy or fails meanwhile is
// asked again, since the events are there and would be there twice.
func (s *Sink) await(ctx context.Context, channel *string, id uint64) firehose.Result {
	ctx, cancel := context.WithTimeout(ctx, s.config.AckTimeout)
	defer cancel()
	question := []byte(fmt.Sprintf(`{"acks":[%d]}`, id))
	for wait := firstPoll; ; wait = min(2*wait, lastPoll) {
		if pause(ctx, wait) != nil {
			return firehose.Fail(firehose.Transient, fmt.Errorf("the collector took the events and has not acknowledged them: they are sent again, and may be there twice"))
		}
		a := s.ask(ctx, channel, post.Request{Path: collectorPath + "/ack", Body: question})
		var answer struct {
			Acks map[string]bool `json:"acks"`
		}
		if a.Err == nil && a.Status == http.StatusOK && json.Unmarshal(a.Body, &answer) == nil && answer.Acks[strconv.FormatUint(id, 10)] {
			return firehose.Result{Class: firehose.Delivered}
		}
		switch r := s.judge(a, nil); r.Class {
		case firehose.Poison, firehose.TooLarge: // the question is at fault, not the events
			r.Class = firehose.Config
			return r
		case firehose.Auth:
			return r
		case firehose.Config:
			if a.Status != http.StatusOK {
				return r
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
