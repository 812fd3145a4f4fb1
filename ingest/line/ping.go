package line

import (
	"net/http"
	"strings"
)

// version is what clients are told that want to know with whom they speak:
// the InfluxDB whose write paths these are.
const version = "1.8.10-headgate"

// ping answers GET and HEAD /ping: 204, or 200 with the version when it is
// asked to be verbose.
func ping(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Influxdb-Version", version)
	w.Header().Set("X-Influxdb-Build", "OSS")
	if v := r.URL.Query().Get("verbose"); v != "" && v != "0" && v != "false" {
		respond(w, http.StatusOK, map[string]any{"version": version})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// health answers what clients of version 2 ask first.
func health(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, map[string]any{"name": "influxdb", "status": "pass", "message": "ready for writes", "version": version, "checks": []any{}})
}

// query lets Telegraf have its CREATE DATABASE, which needs nothing here: any
// database can be written to. Nothing else is answered.
func query(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxQuery)
	q := strings.Fields(r.FormValue("q"))
	if len(q) >= 2 && strings.EqualFold(q[0], "create") && strings.EqualFold(q[1], "database") {
		respond(w, http.StatusOK, map[string]any{"results": []any{map[string]any{"statement_id": 0}}})
		return
	}
	one.answer(w, http.StatusBadRequest, "queries are not answered here: records are read as a stream", 0)
}

// maxQuery is the bytes of a query that are looked at.
const maxQuery = 4 << 10
