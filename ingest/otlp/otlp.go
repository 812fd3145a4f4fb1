// Package otlp is the door for OpenTelemetry: logs, metrics and traces by
// OTLP/HTTP, in protobuf and in JSON (OTLP specification 1.x). A request is
// stored as it came, and answered when it is durable. It looks into telemetry
// only as far as it must to tell malformed from well-formed, to find the
// partition key and to cut what is too large; it aggregates nothing.
package otlp

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"headgate/ingest/intake"
	"headgate/shardlog"
)

// The streams that signals go to unless Config says otherwise.
const (
	DefaultLogs    shardlog.StreamName = "otel-logs"
	DefaultMetrics shardlog.StreamName = "otel-metrics"
	DefaultTraces  shardlog.StreamName = "otel-traces"
)

// Config is what a Server needs. Only Writer has to be there.
type Config struct {
	Writer  shardlog.Writer
	Control shardlog.Control // makes the streams when they are missing; nil: they are not made

	Logs, Metrics, Traces shardlog.StreamName // zero: DefaultLogs, DefaultMetrics, DefaultTraces
	Shards                int                 // of a stream that has to be made; zero: the log's default

	// Record is the most bytes of a record, data and key; zero: 1 MiB. A
	// larger request is cut into requests that are not: by resource, then by
	// scope, then by item.
	Record int
	// ByResource cuts every request into one record for each run of resources
	// with the same key. It is for gateways that a collector sends to, where
	// requests hold the telemetry of many.
	ByResource bool

	Gate     intake.Config // bounds, quotas and who may come in
	Patience time.Duration // most time of a request's way into the log; zero: 8 s, since SDKs wait for 10 s
	Log      *slog.Logger  // nil: slog.Default
}

// Server is the door. It is safe for concurrent use.
type Server struct {
	config Config
	gate   *intake.Gate
	store  intake.Store
	mux    *http.ServeMux

	requests, records, items, refused, failed atomic.Int64
}

// Bounds of Config.Record.
const (
	leastRecord = 4 << 10
	keyBytes    = 4 * shardlog.MaxPartitionKey // most that a key takes
)

// New makes a Server. Kind Invalid: a stream's name, a size or a bound is not
// allowed, or there is no Writer.
func New(c Config) (*Server, error) {
	if c.Writer == nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open otlp", "no writer")
	}
	for _, s := range []struct {
		name  *shardlog.StreamName
		usual shardlog.StreamName
	}{{&c.Logs, DefaultLogs}, {&c.Metrics, DefaultMetrics}, {&c.Traces, DefaultTraces}} {
		if *s.name == "" {
			*s.name = s.usual
		}
		if err := s.name.Check(); err != nil {
			return nil, err
		}
		if s.name.Own() {
			return nil, shardlog.Errorf(shardlog.Invalid, "open otlp", "stream %s is the gateway's own", *s.name)
		}
	}
	if c.Record == 0 {
		c.Record = shardlog.DefaultRecordBytes
	}
	if c.Record < leastRecord || c.Record > shardlog.MaxRecordBytes {
		return nil, shardlog.Errorf(shardlog.Invalid, "open otlp", "records of %d bytes, %d to %d are allowed", c.Record, leastRecord, shardlog.MaxRecordBytes)
	}
	if c.Patience <= 0 {
		c.Patience = 8 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	gate, err := intake.New(c.Gate)
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, gate: gate, mux: http.NewServeMux(),
		store: intake.Store{Writer: c.Writer, Control: c.Control, Patience: c.Patience}}
	s.mux.Handle("/v1/logs", s.export(logs, c.Logs))
	s.mux.Handle("/v1/metrics", s.export(metrics, c.Metrics))
	s.mux.Handle("/v1/traces", s.export(traces, c.Traces))
	return s, nil
}

// ServeHTTP answers /v1/logs, /v1/metrics and /v1/traces.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Stats counts since the start.
type Stats struct {
	intake.Stats
	Requests int64 // answered 200
	Records  int64 // stored
	Items    int64 // log records, data points and spans of requests answered 200, without Refused
	Refused  int64 // items that clients were told are not stored (partial success)
	Failed   int64 // requests that the log did not take: asked to come again
}

// Stats is a snapshot.
func (s *Server) Stats() Stats {
	return Stats{Stats: s.gate.Stats(), Requests: s.requests.Load(), Records: s.records.Load(),
		Items: s.items.Load(), Refused: s.refused.Load(), Failed: s.failed.Load()}
}
