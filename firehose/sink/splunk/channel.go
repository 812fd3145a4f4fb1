package splunk

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"

	"headgate/firehose/sink/internal/post"
)

// newChannel is a GUID, as collectors want it (RFC 9562, version 4).
func newChannel() *string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	id := fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	return &id
}

// ask sends a request on a channel. When the collector refuses that, what is
// sent later goes on another; acknowledgements that are awaited keep theirs,
// for nobody else knows of them.
func (s *Sink) ask(ctx context.Context, channel *string, r post.Request) post.Answer {
	header := http.Header{"X-Splunk-Request-Channel": {*channel}}
	for name, values := range r.Header {
		header[name] = values
	}
	r.Header = header
	a := s.client.Do(ctx, r)
	if code := read(a).code; code == codeNoChannel || code == codeChannel {
		s.channel.CompareAndSwap(channel, newChannel())
	}
	return a
}
