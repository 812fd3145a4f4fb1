package web

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"headgate/shardlog"
)

// Parameters of a request's address: what a beacon has instead of headers.
const (
	paramKey       = "k"      // the site's key
	paramPartition = "key"    // the partition key
	paramFormat    = "format" // "ndjson": one record per line, whatever the Content-Type says
	paramQuiet     = "quiet"  // answer 204 instead of where records lie
	paramClient    = "clientId"
	paramQoS       = "qos"
	paramRetain    = "retain"
)

// lines reports whether the body has a record per line.
func lines(r request, content string) (bool, error) {
	switch format := r.query.Get(paramFormat); format {
	case "ndjson":
		return true, nil
	case "", "raw":
		if format == "raw" {
			return false, nil
		}
	default:
		return false, badRequest("format %s: want ndjson or raw", quote(format))
	}
	media, _, err := mime.ParseMediaType(content)
	if err != nil {
		return false, nil // data is stored as it is, whatever it calls itself
	}
	switch media {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines":
		return true, nil
	}
	if strings.HasPrefix(media, "multipart/") {
		return false, &statusError{http.StatusUnsupportedMediaType, "unsupported media type",
			"a body of several parts: send the record itself (curl --data-binary, not -F)"}
	}
	return false, nil
}

// split cuts a body into its lines, without their ends and without the empty
// ones. The lines are parts of b. Kind Invalid: there are more than most.
func split(b []byte, most int) ([][]byte, error) {
	all := make([][]byte, 0, min(bytes.Count(b, []byte{'\n'})+1, most))
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		b = rest
		if line = bytes.TrimSuffix(line, []byte{'\r'}); len(bytes.TrimLeft(line, " \t")) == 0 {
			continue
		}
		if len(all) == most {
			return nil, tooLarge("more than %d records", most)
		}
		all = append(all, line[:len(line):len(line)])
	}
	return all, nil
}

// costOfRecord is the memory that a record takes beside its data, in bytes:
// entry, result and its part of the answer.
const costOfRecord = 512

// datas is the data of the records in a body. It is part of the body.
func (s *Server) datas(b []byte, several bool, mine *hoard) ([][]byte, error) {
	if !several {
		return [][]byte{b}, nil
	}
	if err := mine.take(costOfRecord * min(bytes.Count(b, []byte{'\n'})+1, s.cfg.MaxRecords)); err != nil {
		return nil, err
	}
	return split(b, s.cfg.MaxRecords)
}

// checkKey says why a text cannot be a partition key or a client id.
func checkKey(what, text string) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return badRequest("%s is not UTF-8", what)
	}
	if n := utf8.RuneCountInString(text); n > shardlog.MaxPartitionKey {
		return badRequest("%s of %d characters, %d are allowed", what, n, shardlog.MaxPartitionKey)
	}
	return nil
}
