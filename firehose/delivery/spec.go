package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Spec is what a user says about a delivery, its sink apart. Its zero values
// mean the defaults.
type Spec struct {
	Name        string              `json:"name" yaml:"name"`                                     // 1 to 64 of [a-zA-Z0-9_.-]
	Stream      shardlog.StreamName `json:"stream" yaml:"stream"`                                 // all its shards are delivered
	Buffering   Buffering           `json:"buffering,omitzero" yaml:"buffering,omitempty"`        // when an object is cut
	Compression string              `json:"compression,omitempty" yaml:"compression,omitempty"`   // gzip (default), zstd, snappy, hadoop_snappy, zip, none
	Delimiter   string              `json:"delimiter,omitempty" yaml:"delimiter,omitempty"`       // newline (default), raw
	Schema      string              `json:"schema,omitempty" yaml:"schema,omitempty"`             // of Parquet files instead of lines, as JSON
	Prefix      string              `json:"prefix,omitempty" yaml:"prefix,omitempty"`             // of object names, with expressions
	ErrorPrefix string              `json:"error_prefix,omitempty" yaml:"error_prefix,omitempty"` // of objects of records that cannot be delivered
	Extension   string              `json:"extension,omitempty" yaml:"extension,omitempty"`       // instead of .gz, .zst
	Pin         *bool               `json:"pin,omitempty" yaml:"pin,omitempty"`                   // keep undelivered records beyond the retention; default true
	Retry       *Duration           `json:"retry,omitempty" yaml:"retry,omitempty"`               // how long a batch is tried while the link is up, before it goes to the error output; none: for ever
	Stale       Stale               `json:"stale,omitzero" yaml:"stale,omitempty"`                // what becomes of records that waited too long
	NewestFirst bool                `json:"newest_first,omitempty" yaml:"newest_first,omitempty"` // a backlog waits behind what comes now
	Start       string              `json:"start,omitempty" yaml:"start,omitempty"`               // of a new delivery: trim_horizon (default), latest
}

// Buffering is the size and age at which an object is cut, whichever comes
// first. Both are hints.
type Buffering struct {
	SizeMiB  int       `json:"size_mib,omitempty" yaml:"size_mib,omitempty"` // of uncompressed content, 1 to 128; default 5
	Interval *Duration `json:"interval,omitempty" yaml:"interval,omitempty"` // since the oldest record's arrival, 0s to 900s; default 300s
}

// The values of Spec.Start.
const (
	TrimHorizon = "trim_horizon"
	Latest      = "latest"
)

const (
	defaultSizeMiB   = 5
	defaultInterval  = 300 * time.Second
	maxSizeMiB       = 128
	maxInterval      = 900 * time.Second
	maxRetry         = 365 * 24 * time.Hour
	maxSchema        = 16 << 10 // it is sealed with each batch
	maxName          = 64
	maxEvaluated     = 512 // characters of an evaluated prefix
	maxExtension     = 128
	defaultCompress  = "gzip"
	defaultDelimiter = "newline"
)

// Validate answers Invalid with everything that is wrong, nil when nothing is.
func (s Spec) Validate() error {
	var wrong []error
	if err := checkName(s.Name); err != nil {
		wrong = append(wrong, err)
	}
	if err := s.Stream.Check(); err != nil {
		wrong = append(wrong, err)
	}
	if n := s.Buffering.SizeMiB; n != 0 && (n < 1 || n > maxSizeMiB) {
		wrong = append(wrong, invalid("buffering.size_mib is %d, 1 to %d are allowed", n, maxSizeMiB))
	}
	if d := s.interval(); d < 0 || d > maxInterval {
		wrong = append(wrong, invalid("buffering.interval is %v, 0s to %v are allowed", d, maxInterval))
	}
	if s.Retry != nil && (time.Duration(*s.Retry) < 0 || time.Duration(*s.Retry) > maxRetry) {
		wrong = append(wrong, invalid("retry is %v, 0s to %v are allowed", time.Duration(*s.Retry), maxRetry))
	}
	if err := s.Stale.check(); err != nil {
		wrong = append(wrong, err)
	}
	if c := s.Compression; c != "" && !slices.Contains(compressions, c) {
		wrong = append(wrong, invalid("compression %q is unknown; %s are known", c, strings.Join(compressions, ", ")))
	}
	if d := s.Delimiter; d != "" && d != "newline" && d != "raw" {
		wrong = append(wrong, invalid("delimiter %q is unknown; newline and raw are known", d))
	}
	if len(s.Schema) > maxSchema {
		wrong = append(wrong, invalid("the schema has %d bytes, %d are allowed", len(s.Schema), maxSchema))
	}
	if err := checkExtension(s.Extension); err != nil {
		wrong = append(wrong, err)
	}
	if p := s.Start; p != "" && p != TrimHorizon && p != Latest {
		wrong = append(wrong, invalid("start %q is unknown; %s and %s are known", p, TrimHorizon, Latest))
	}
	if _, err := s.prefixes(); err != nil {
		wrong = append(wrong, err)
	}
	if len(wrong) == 0 {
		return nil
	}
	return &shardlog.Error{Kind: shardlog.Invalid, Op: "check delivery " + s.Name, Err: errors.Join(wrong...)}
}

// compressions are the names that a format may have.
var compressions = []string{"gzip", "zstd", "snappy", "hadoop_snappy", "zip", "none"}

func invalid(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "check delivery", format, args...)
}

func checkName(name string) error {
	if len(name) == 0 || len(name) > maxName {
		return invalid("name %q has %d characters, 1 to %d are allowed", name, len(name), maxName)
	}
	if err := shardlog.StreamName(name).Check(); err != nil {
		return invalid("name %q: only letters, digits and _ . - are allowed", name)
	}
	return nil
}

func checkExtension(ext string) error {
	if ext == "" {
		return nil
	}
	if len(ext) > maxExtension || ext[0] != '.' || strings.Trim(ext[1:], "0123456789abcdefghijklmnopqrstuvwxyz!-_.*'()") != "" {
		return invalid("extension %q must begin with . and hold only 0-9 a-z ! - _ . * ' ( )", ext)
	}
	return nil
}

func (s Spec) sizeBytes() int64 {
	if s.Buffering.SizeMiB == 0 {
		return defaultSizeMiB << 20
	}
	return int64(s.Buffering.SizeMiB) << 20
}

func (s Spec) interval() time.Duration {
	if s.Buffering.Interval == nil {
		return defaultInterval
	}
	return time.Duration(*s.Buffering.Interval)
}

// retry is how long a batch is tried; zero is for ever.
func (s Spec) retry() time.Duration {
	if s.Retry == nil {
		return 0
	}
	return max(time.Duration(*s.Retry), 1)
}

func (s Spec) pinned() bool { return s.Pin == nil || *s.Pin }

func (s Spec) format() firehose.Format {
	f := firehose.Format{Compression: s.Compression, Delimiter: s.Delimiter, Schema: s.Schema}
	if f.Compression == "" {
		f.Compression = defaultCompress
	}
	if f.Delimiter == "" {
		f.Delimiter = defaultDelimiter
	}
	return f
}

// digest changes whenever the spec, its destination or its transform does.
func (s Spec) digest(destination, transform string) string {
	b, err := json.Marshal(s)
	if err != nil { // a Spec holds only strings, numbers and durations
		panic(err)
	}
	b = append(b, destination...)
	if transform != "" {
		b = append(append(b, "\x00transform\x00"...), transform...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
