package webrtc

import (
	"context"
	"encoding/json"
	"time"

	"github.com/pion/webrtc/v4"

	"headgate/ingest"
	"headgate/shardlog"
)

// receipt answers one message of a data channel, in order: n counts them from
// one. With no error the record is durable and has that place.
type receipt struct {
	N        uint64 `json:"n"`
	Stream   string `json:"stream,omitempty"`
	Shard    string `json:"shard,omitempty"`
	Sequence string `json:"sequence,omitempty"`
	Error    string `json:"error,omitempty"`
	// RetryAfter is in milliseconds; then nothing was stored.
	RetryAfter int64 `json:"retry_after_ms,omitempty"`
}

// channel takes telemetry: each message is one record, answered when it is
// durable. One is under way at a time, so that order holds; the sender's
// window, and SCTP behind it, are what waits, until ctx ends. pion calls it.
func (p *publisher) channel(ctx context.Context, d *webrtc.DataChannel) {
	target, err := p.server.config.Routes.Find(ingest.Source{Topic: "camera/" + string(p.camera.name) + "/" + d.Label(), ClientID: string(p.camera.name)})
	n := uint64(0)
	d.OnMessage(func(m webrtc.DataChannelMessage) {
		n++
		p.server.stats.channelMessages.Add(1)
		p.heard.Store(p.server.config.Now().UnixNano())
		answer := receipt{N: n, Stream: string(target.Stream)}
		if err == nil {
			p.keep(ctx, target, m.Data, &answer)
		} else {
			answer.Error = err.Error()
		}
		text, _ := json.Marshal(answer) // of plain fields
		_ = d.SendText(string(text))    // a sender who has gone needs no answer
	})
}

// putTime is how long a message may wait for the log.
const putTime = 30 * time.Second

func (p *publisher) keep(ctx context.Context, target ingest.Target, data []byte, answer *receipt) {
	ctx, cancel := context.WithTimeout(ctx, putTime)
	defer cancel()
	results, err := p.server.config.Writer.Put(ctx, target.Stream, []shardlog.Entry{{Key: target.Key, Data: data}})
	if err == nil && len(results) == 1 {
		err = results[0].Err
		answer.Shard, answer.Sequence = results[0].Shard.String(), results[0].Number.String()
	}
	if err != nil {
		answer.Shard, answer.Sequence = "", ""
		answer.Error, answer.RetryAfter = shardlog.KindOf(err).String(), shardlog.RetryAfter(err).Milliseconds()
	}
}
