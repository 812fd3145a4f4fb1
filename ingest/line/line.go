// Package line is the door for InfluxDB's line protocol, as Telegraf and
// InfluxDB's clients write it: POST /write of version 1 and POST /api/v2/write
// of version 2. Each line is a record. It knows the grammar of a line, not
// what is measured, and it answers no queries.
package line

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"headgate/ingest"
	"headgate/ingest/intake"
	"headgate/shardlog"
)

// Config is what a Server needs. Only Writer has to be there.
type Config struct {
	Writer  shardlog.Writer
	Control shardlog.Control // makes the streams of Routes when they are missing; nil: they are not made

	// Key is the template of what tells those who are measured apart. In it
	// {series} stands for measurement and tags as sent, sorted by name,
	// {measurement}, {tag.NAME} and {bucket} for the point's own, {source} for
	// who sent it. Empty: {series}, which is also the key of a point that
	// lacks something the template names. Keys of more than 256 characters end
	// in a hash.
	Key string
	// Routes leads from the topic "BUCKET/MEASUREMENT" to streams. Their
	// {clientid} is the key of Config.Key. Nil: all goes to
	// ingest.DefaultStream under that key.
	Routes *ingest.Routes

	MaxLines int           // of one request; zero: 50 000
	Gate     intake.Config // bounds, quotas and who may come in
	Patience time.Duration // most time of a request's way into the log; zero: 4 s, since Telegraf waits for 5 s
	Log      *slog.Logger  // nil: slog.Default
}

// Server is the door. It is safe for concurrent use.
type Server struct {
	config Config
	key    template
	gate   *intake.Gate
	store  intake.Store
	mux    *http.ServeMux

	requests, records, malformed, failed atomic.Int64
}

// New makes a Server. Kind Invalid: a template or a bound is not allowed, or
// there is no Writer.
func New(c Config) (*Server, error) {
	if c.Writer == nil || c.MaxLines < 0 {
		return nil, shardlog.Errorf(shardlog.Invalid, "open line protocol", "no writer, or a negative bound")
	}
	key, err := parseTemplate(c.Key)
	if err != nil {
		return nil, err
	}
	if c.Routes == nil {
		if c.Routes, err = ingest.NewRoutes(nil); err != nil {
			return nil, err
		}
	}
	if c.MaxLines == 0 {
		c.MaxLines = 50000
	}
	if c.Patience <= 0 {
		c.Patience = 4 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	gate, err := intake.New(c.Gate)
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, key: key, gate: gate, mux: http.NewServeMux(),
		store: intake.Store{Writer: c.Writer, Control: c.Control, Patience: c.Patience}}
	s.mux.Handle("/write", s.write(one))
	s.mux.Handle("/api/v2/write", s.write(two))
	s.mux.HandleFunc("/ping", ping)
	s.mux.HandleFunc("/health", health)
	s.mux.HandleFunc("/query", query)
	return s, nil
}

// ServeHTTP answers /write, /api/v2/write, /ping, /health and, for clients
// that create their database first, /query.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Stats counts since the start.
type Stats struct {
	intake.Stats
	Requests int64 // answered 204
	Records  int64 // stored: lines
	BadLines int64 // requests refused for one
	Failed   int64 // requests that the log did not take: asked to come again
}

// Stats is a snapshot.
func (s *Server) Stats() Stats {
	return Stats{Stats: s.gate.Stats(), Requests: s.requests.Load(), Records: s.records.Load(),
		BadLines: s.malformed.Load(), Failed: s.failed.Load()}
}
