package opensearch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"headgate/firehose"
	"headgate/shardlog"
)

// operation is one document of a bulk request: two lines.
type operation struct {
	seq  shardlog.Seq
	text []byte
}

// operations are a batch's documents, and the records that are none.
type operations struct {
	sent    []operation
	refused []firehose.Item
}

// action is the line before a document. create keeps what is there: a
// document that comes again does not replace it.
type action struct {
	Create target `json:"create"`
}

type target struct {
	Index string `json:"_index"`
	ID    string `json:"_id,omitempty"`
}

func (s *Sink) operations(ctx context.Context, b *firehose.Batch) (operations, error) {
	var all operations
	err := b.Each(ctx, func(r firehose.Record, _ []byte) error {
		var document bytes.Buffer
		if trimmed := bytes.TrimLeft(r.Data, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' || json.Compact(&document, r.Data) != nil {
			all.refused = append(all.refused, firehose.Item{Seq: r.Seq, Code: codeNoDocument, Message: "the record is no JSON object"})
			return nil
		}
		to := target{Index: s.config.Index + suffix(s.config.Rotation, r.Arrived)}
		if s.config.IDs == OwnIDs {
			to.ID = b.DocumentID(r)
		}
		line, err := json.Marshal(action{to})
		if err != nil {
			return fmt.Errorf("write action: %w", err)
		}
		text := append(append(line, '\n'), document.Bytes()...)
		all.sent = append(all.sent, operation{r.Seq, append(text, '\n')})
		return nil
	})
	return all, err
}

func join(all []operation) []byte {
	size := 0
	for _, o := range all {
		size += len(o.text)
	}
	body := make([]byte, 0, size)
	for _, o := range all {
		body = append(body, o.text...)
	}
	return body
}
