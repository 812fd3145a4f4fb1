package line

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"headgate/ingest"
	"headgate/ingest/intake"
	"headgate/shardlog"
)

// write takes lines.
//
// A request is all or nothing as far as its lines are concerned: every line
// is checked before the first is stored, and one that is malformed, refused by
// a route or too large for a record refuses the request, by a 4xx that names
// it. 204 says that every line is durable. When the log takes a part alone
// (a shard over its quota), the rest is tried for as long as Config.Patience;
// then the answer is 429 or 503 and the client sends all again, so that lines
// may be stored twice. Influx takes such lines for one, as they have the same
// series and timestamp.
func (s *Server) write(d dialect) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			d.answer(w, http.StatusMethodNotAllowed, "use POST", 0)
			return
		}
		n, err := s.take(w, r)
		if err != nil {
			s.refuse(w, r, d, err)
			return
		}
		s.requests.Add(1)
		s.records.Add(int64(n))
		w.WriteHeader(http.StatusNoContent)
	})
}

// take reads, checks and stores a request, and says how many lines it had.
// Kinds: those of intake.Gate.Take and intake.Store.Put; Denied, by a route.
func (s *Server) take(w http.ResponseWriter, r *http.Request) (int, error) {
	asked := r.URL.Query()
	precision, unit, err := parsePrecision(asked.Get("precision"))
	if err != nil {
		return 0, err
	}
	body, err := s.gate.Take(w, r)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	bucket := bucketOf(asked)
	meta := intake.Meta{Kind: intake.Line, Source: body.Source, Bucket: bucket, Precision: precision}.Append(nil)
	batches, n, err := s.sort(body, bucket, meta, unit)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.Patience) // of all streams together
	defer cancel()
	for _, b := range batches {
		refused, err := s.store.Put(ctx, b.spec, b.entries)
		if err == nil && len(refused) > 0 {
			err = &badLine{number: b.lines[refused[0].Index], text: b.entries[refused[0].Index].Data, err: refused[0].Err}
		}
		if err != nil {
			s.failed.Add(1)
			return 0, err
		}
	}
	return n, nil
}

// batch is the lines of one stream, in order.
type batch struct {
	spec    shardlog.StreamSpec
	entries []shardlog.Entry
	lines   []int // their numbers
}

// sort reads all lines and gives each its stream and key.
func (s *Server) sort(body *intake.Body, bucket string, meta []byte, unit int64) ([]*batch, int, error) {
	p := parser{b: body.Bytes, line: 1, unit: unit}
	var batches []*batch
	var at point
	for n := 0; ; n++ {
		some, err := p.next(&at)
		if !some {
			return batches, n, nil
		}
		if n == s.config.MaxLines {
			return nil, 0, shardlog.Errorf(shardlog.LimitExceeded, "read lines", "more than %d", s.config.MaxLines)
		}
		e := shardlog.Entry{Data: at.raw, Meta: meta}
		var target ingest.Target
		if err == nil {
			key := s.key.fill(&at, bucket, body.Source)
			target, err = s.config.Routes.Find(ingest.Source{Topic: bucket + "/" + unescape(at.measurement), ClientID: key})
		}
		if err == nil {
			e.Key = target.Key
			err = e.Check(shardlog.DefaultRecordBytes)
		}
		if err != nil {
			return nil, 0, &badLine{number: at.number, text: at.raw, err: err}
		}
		b := s.batch(&batches, target.Stream)
		b.entries, b.lines = append(b.entries, e), append(b.lines, at.number)
	}
}

// batch is the one of that stream.
func (s *Server) batch(all *[]*batch, name shardlog.StreamName) *batch {
	for _, b := range *all {
		if b.spec.Name == name {
			return b
		}
	}
	spec, _ := s.config.Routes.Spec(name) // the table has just led here
	b := &batch{spec: spec}
	*all = append(*all, b)
	return b
}

// bucketOf is where the client wants the lines: bucket in version 2, db and rp
// in version 1.
func bucketOf(asked url.Values) string {
	if bucket := asked.Get("bucket"); bucket != "" {
		return bucket
	}
	if policy := asked.Get("rp"); policy != "" {
		return asked.Get("db") + "/" + policy
	}
	return asked.Get("db")
}

// parsePrecision is the unit of timestamps by either version's name: as Meta
// has it, and in nanoseconds. Kind Invalid.
func parsePrecision(text string) (name string, unit int64, err error) {
	switch text {
	case "", "n", "ns":
		return "", 1, nil
	case "u", "us", "µ", "µs":
		return "us", 1e3, nil
	case "ms":
		return "ms", 1e6, nil
	case "s":
		return "s", 1e9, nil
	case "m":
		return "m", 60e9, nil
	case "h":
		return "h", 3600e9, nil
	default:
		return "", 0, shardlog.Errorf(shardlog.Invalid, "read precision", "%.20q, ns, us, ms, s, m and h are allowed", text)
	}
}

// badLine refuses a request for one of its lines.
type badLine struct {
	number int // from 1
	text   []byte
	err    error
}

// Error says which line, how it begins, and what is wrong.
func (b *badLine) Error() string {
	return fmt.Sprintf("line %d: unable to parse '%s': %v", b.number, strings.ToValidUTF8(fmt.Sprintf("%.80s", b.text), "?"), b.err)
}

// Unwrap is what is wrong.
func (b *badLine) Unwrap() error { return b.err }

// lineOf is the line that an error is about, zero for none.
func lineOf(err error) int {
	var bad *badLine
	if errors.As(err, &bad) {
		return bad.number
	}
	return 0
}
