package redshift

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"

	"headgate/firehose"
	"headgate/shardlog"
)

// aside reports whether the batch's object is kept in the bucket only.
func (s *Sink) aside(b *firehose.Batch) bool { return strings.Contains(b.Object, s.c.Aside) }

// manifestFolder is where AWS's Firehose keeps its manifests, too.
const manifestFolder = "manifests/"

// manifest is a batch whose one record names the object of b. Without it COPY
// would take every object whose name begins so. Its own name follows from what
// is in it: after the bucket is named anew there is another manifest.
func manifest(b *firehose.Batch, url string) *firehose.Batch {
	type entry struct {
		URL       string `json:"url"`
		Mandatory bool   `json:"mandatory"`
	}
	text, err := json.Marshal(map[string][]entry{"entries": {{url, true}}})
	if err != nil {
		panic(err) // a text and a bool
	}
	sum := sha256.Sum256(text)
	m := *b
	m.ID, m.Object, m.Encoder = b.ID+"-manifest", fmt.Sprintf("%s%s-%x.json", manifestFolder, b.Object, sum[:4]), asItIs{}
	m.Count, m.Bytes, m.SHA256, m.Missing = 1, int64(len(text)), sum, 0
	m.Records = func(context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			yield(firehose.Record{Record: shardlog.Record{Seq: b.First, Arrived: b.Arrived, Data: text}}, nil)
		}
	}
	return &m
}

// asItIs is an encoder that changes nothing.
type asItIs struct{}

var _ firehose.Encoder = asItIs{}

// Frame is the record's data.
func (asItIs) Frame(dst []byte, r firehose.Record) ([]byte, error) {
	return append(dst, r.Data...), nil
}

// Compress compresses nothing.
func (asItIs) Compress(w io.Writer) (io.WriteCloser, error) { return open{w}, nil }

// Expand expands nothing.
func (asItIs) Expand(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(r), nil }

// Extension is empty.
func (asItIs) Extension() string { return "" }

// open stays so when it is closed.
type open struct{ io.Writer }

// Close does nothing.
func (open) Close() error { return nil }
