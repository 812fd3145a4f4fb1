package firehose

import "io"

// Format says how a batch becomes the bytes of an object. It is pinned when
// the batch is sealed.
type Format struct {
	Compression string `json:"compression"`      // "gzip", "zstd" or "none"
	Delimiter   string `json:"delimiter"`        // "newline": each record ends in \n; "raw": records as they are
	Schema      string `json:"schema,omitempty"` // of a file of columns, as JSON, instead of lines
}

// Lines is the format without a schema: that of error records.
func (f Format) Lines() Format {
	f.Schema = ""
	return f
}

// Encoder turns records into an object's content, and content into stored
// bytes. It is safe for concurrent use.
type Encoder interface {
	// Frame appends the content of one record to dst. The same record always
	// gives the same content. An error refuses the record for good: it goes
	// to the error output.
	Frame(dst []byte, r Record) ([]byte, error)

	// Compress returns a writer that compresses content into w. Close
	// completes the stream and leaves w open.
	Compress(w io.Writer) (io.WriteCloser, error)

	// Expand reads the content back out of compressed bytes.
	Expand(r io.Reader) (io.ReadCloser, error)

	// Extension is the ending of object names, ".gz" for one; may be empty.
	Extension() string
}
