package splunk

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
)

// await asks for an acknowledgement until it is there. A collector tells it
// once only ("About HTTP Event Collector Indexer Acknowledgment", Splunk
// Enterprise documentation): seen true once is final.
func (s *Sink) await(ctx context.Context, id uint64) firehose.Result {
	ctx, cancel := context.WithTimeout(ctx, s.config.AckTimeout)
	defer cancel()
	question := []byte(fmt.Sprintf(`{"acks":[%d]}`, id))
	for wait := firstPoll; ; wait = min(2*wait, lastPoll) {
		if pause(ctx, wait) != nil {
			return firehose.Fail(firehose.Transient, fmt.Errorf("the collector took the events and has not acknowledged them: they are sent again, and may be there twice"))
		}
		a := s.client.Do(ctx, post.Request{Path: collectorPath + "/ack", Body: question})
		var answer struct {
			Acks map[string]bool `json:"acks"`
		}
		switch {
		case a.Err == nil && a.Status == 200 && json.Unmarshal(a.Body, &answer) == nil:
			if answer.Acks[strconv.FormatUint(id, 10)] {
				return firehose.Result{Class: firehose.Delivered}
			}
		case a.Err == nil && a.Status/100 == 4:
			r := s.judge(a, nil)
			r.Items = nil
			if r.Class == firehose.Poison { // the question is at fault, not the events
				r.Class = firehose.Config
			}
			return r
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
