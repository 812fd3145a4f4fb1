package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// subscriber is one consumer of one shard. It looks at events no more than it
// must.
type subscriber struct {
	body    io.ReadCloser
	took    func(stamp int64, at time.Time) // called for the first record of each event
	records *atomic.Int64                   // of all subscribers
	events  *atomic.Int64
}

// protocol is how subscribers speak: an HTTP client of its own for each
// consumer, as consumers are processes of their own.
func protocol(version2 bool) *http.Client {
	t := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols), ReadBufferSize: 64 << 10}
	t.Protocols.SetHTTP1(!version2)
	t.Protocols.SetUnencryptedHTTP2(version2)
	return &http.Client{Transport: t}
}

// subscribe begins at the newest record.
func (c *client) subscribe(over *http.Client, consumer string, shard int) (io.ReadCloser, error) {
	r, err := c.request("SubscribeToShard", fmt.Sprintf(`{"ConsumerARN":%q,"ShardId":"shardId-%012d","StartingPosition":{"Type":"LATEST"}}`, consumer, shard))
	if err != nil {
		return nil, err
	}
	answer, err := over.Do(r)
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 300))
		_ = answer.Body.Close()
		return nil, fmt.Errorf("subscribe: %s: %s", answer.Status, text)
	}
	return answer.Body, nil
}

// run reads events until the subscription ends.
func (s *subscriber) run() error {
	var frame []byte
	for {
		var head [4]byte
		if _, err := io.ReadFull(s.body, head[:]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(head[:]))
		if n < 16 || n > 16<<20 {
			return fmt.Errorf("an event of %d bytes", n)
		}
		if cap(frame) < n {
			frame = make([]byte, n)
		}
		frame = frame[:n-len(head)]
		if _, err := io.ReadFull(s.body, frame); err != nil {
			return err
		}
		if err := s.look(frame); err != nil {
			return err
		}
	}
}

func (s *subscriber) look(frame []byte) error {
	if bytes.Contains(frame[:min(len(frame), 200)], []byte("exception")) {
		return fmt.Errorf("an exception: %q", frame)
	}
	records := bytes.Count(frame, []byte(`"PartitionKey"`))
	if records == 0 {
		return nil
	}
	at := time.Now()
	stamp, err := strconv.ParseInt(text(frame, "PartitionKey"), 10, 64)
	if err != nil {
		return errors.New("an event without the stamp that was put in")
	}
	s.took(stamp, at)
	s.records.Add(int64(records))
	s.events.Add(1)
	return nil
}
