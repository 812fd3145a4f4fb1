// Package encode turns records into objects: newline-delimited or raw
// content, compressed in one of several ways or not at all, or Parquet files.
// It does not know where objects go.
package encode

import (
	"encoding/json"
	"io"

	"headgate/firehose"
	"headgate/shardlog"
)

// The names of a firehose.Format.
const (
	Gzip         = "gzip"
	Zstd         = "zstd"
	Snappy       = "snappy"        // its framing format
	HadoopSnappy = "hadoop_snappy" // Hadoop's blocks of it
	Zip          = "zip"           // an archive of one entry
	None         = "none"
	Newline      = "newline"
	Raw          = "raw"
)

// Lines is an encoder of records one after another. Make it with New.
type Lines struct {
	newline bool
	codec   codec
}

type codec interface {
	compress(w io.Writer) (io.WriteCloser, error)
	expand(r io.Reader) (io.ReadCloser, error)
	extension() string
}

var _ firehose.Encoder = (*Lines)(nil)

// New makes the encoder of a format: of Parquet files when it has a schema.
// Empty names mean no compression and newline. Any other unknown name is
// Invalid.
func New(f firehose.Format) (firehose.Encoder, error) {
	if f.Schema != "" {
		var s Schema
		if err := json.Unmarshal([]byte(f.Schema), &s); err != nil {
			return nil, shardlog.Errorf(shardlog.Invalid, "read schema", "%w", err)
		}
		return NewParquet(s)
	}
	l := &Lines{}
	switch f.Delimiter {
	case Newline, "":
		l.newline = true
	case Raw:
	default:
		return nil, shardlog.Errorf(shardlog.Invalid, "choose delimiter", "%q is unknown; newline and raw are known", f.Delimiter)
	}
	switch f.Compression {
	case Gzip:
		l.codec = &gzipCodec{}
	case Zstd:
		l.codec = &zstdCodec{}
	case Snappy:
		l.codec = &snappyCodec{}
	case HadoopSnappy:
		l.codec = hadoopCodec{}
	case Zip:
		l.codec = zipCodec{}
	case None, "":
		l.codec = plain{}
	default:
		return nil, shardlog.Errorf(shardlog.Invalid, "choose compression", "%q is unknown; gzip, zstd, snappy, hadoop_snappy, zip and none are known", f.Compression)
	}
	return l, nil
}

// Frame appends the record's data, and \n unless it ends in one or the format
// is raw. It refuses nothing.
func (l *Lines) Frame(dst []byte, r firehose.Record) ([]byte, error) {
	dst = append(dst, r.Data...)
	if l.newline && (len(r.Data) == 0 || r.Data[len(r.Data)-1] != '\n') {
		dst = append(dst, '\n')
	}
	return dst, nil
}

// Compress compresses into w.
func (l *Lines) Compress(w io.Writer) (io.WriteCloser, error) { return l.codec.compress(w) }

// Expand undoes Compress.
func (l *Lines) Expand(r io.Reader) (io.ReadCloser, error) { return l.codec.expand(r) }

// Extension is .gz, .zst, .snappy, .hsnappy, .zip or nothing.
func (l *Lines) Extension() string { return l.codec.extension() }
