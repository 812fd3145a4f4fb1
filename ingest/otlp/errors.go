package otlp

import (
	"net/http"

	"headgate/ingest/intake"
	"headgate/shardlog"
)

// Codes of google.rpc.Status that belong to the HTTP statuses (OTLP
// specification, OTLP/HTTP Response, Failures; google/rpc/code.proto).
const (
	codeInvalidArgument   = 3
	codePermissionDenied  = 7
	codeResourceExhausted = 8
	codeUnimplemented     = 12
	codeUnavailable       = 14
	codeUnauthenticated   = 16
)

// refuse answers an error. Clients come again after 429 and 503, and drop what
// got another code.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, c codec, err error) {
	status := intake.Refuse(w.Header(), err)
	if shardlog.KindOf(err) == shardlog.Internal {
		s.config.Log.Error("otlp request", "path", r.URL.Path, "error", err)
	}
	code := codeUnavailable
	switch status {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		code = codeInvalidArgument
	case http.StatusUnauthorized:
		code = codeUnauthenticated
	case http.StatusForbidden:
		code = codePermissionDenied
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		code = codeResourceExhausted
	}
	answer(w, c, status, c.status(code, err.Error()))
}
