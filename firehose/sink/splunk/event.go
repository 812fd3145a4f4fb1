package splunk

import (
	"bytes"
	"encoding/json"
	"fmt"

	"headgate/firehose"
)

// event is the form of the event endpoint ("Format events for HTTP Event
// Collector", Splunk Enterprise documentation).
type event struct {
	Time       json.Number     `json:"time"` // seconds
	Host       string          `json:"host,omitempty"`
	Source     string          `json:"source,omitempty"`
	SourceType string          `json:"sourcetype,omitempty"`
	Index      string          `json:"index,omitempty"`
	Event      json.RawMessage `json:"event"`
	Fields     fields          `json:"fields"`
}

type fields struct {
	Batch  string `json:"gw_batch"`
	Seq    string `json:"gw_seq"`
	Stream string `json:"gw_stream"`
}

// event is a record's: data that is JSON as it is, other text as a string.
// JSON may be sent in UTF-8 only (RFC 8259 §8.1), so that other bytes are
// replaced, within strings too.
func (s *Sink) event(b *firehose.Batch, r firehose.Record) event {
	data := bytes.ToValidUTF8(r.Data, []byte("\uFFFD"))
	if !json.Valid(data) {
		data = quoted(data)
	}
	millis := r.Arrived.UnixMilli()
	return event{
		Time: json.Number(fmt.Sprintf("%d.%03d", millis/1000, millis%1000)), Event: data,
		Host: s.config.Host, Source: s.config.Source, SourceType: s.config.SourceType, Index: s.config.Index,
		Fields: fields{Batch: b.ID, Seq: b.DocumentID(r), Stream: string(b.Stream)},
	}
}

// quoted is text as a string of JSON.
func quoted(text []byte) []byte {
	var to bytes.Buffer
	encoder := json.NewEncoder(&to)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(string(text)) // text always is JSON
	return bytes.TrimSuffix(to.Bytes(), []byte("\n"))
}
