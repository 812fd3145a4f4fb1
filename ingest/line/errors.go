package line

import (
	"encoding/json"
	"errors"
	"net/http"

	"headgate/ingest/intake"
	"headgate/shardlog"
)

// dialect is the version of InfluxDB's API that a path belongs to.
type dialect int

const (
	one dialect = 1
	two dialect = 2
)

// refuse answers an error. Telegraf keeps its lines after 429 and 5xx, and
// drops them after other 4xx.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, d dialect, err error) {
	status := intake.Refuse(w.Header(), err)
	var bad *badLine
	if errors.As(err, &bad) {
		s.malformed.Add(1)
		if status = http.StatusBadRequest; shardlog.KindOf(bad.err) == shardlog.Denied {
			status = http.StatusForbidden
		}
		w.Header().Del("Retry-After")
	} else if shardlog.KindOf(err) == shardlog.Internal {
		s.config.Log.Error("line protocol request", "path", r.URL.Path, "error", err)
	}
	d.answer(w, status, err.Error(), lineOf(err))
}

// answer is an error in the version's JSON: {"error"} in 1, {"code",
// "message", "line"} in 2 (InfluxDB API references, write). Version 1 says it
// in a header too.
func (d dialect) answer(w http.ResponseWriter, status int, message string, line int) {
	body := map[string]any{"error": message}
	if d == two {
		body = map[string]any{"code": codeOf(status), "message": message}
		if line > 0 {
			body["line"] = line
		}
	} else {
		w.Header().Set("X-Influxdb-Error", header(message))
	}
	respond(w, status, body)
}

// header is a text that a header may hold.
func header(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// respond answers JSON.
func respond(w http.ResponseWriter, status int, body map[string]any) {
	b, _ := json.Marshal(body) // of strings and numbers, which never fails
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that is gone sends again
}

// codeOf is version 2's name of a status.
func codeOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusMethodNotAllowed:
		return "method not allowed"
	case http.StatusRequestEntityTooLarge:
		return "request too large"
	case http.StatusTooManyRequests:
		return "too many requests"
	case http.StatusServiceUnavailable:
		return "unavailable"
	default:
		return "invalid"
	}
}
