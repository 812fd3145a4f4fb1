package sinktest

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
)

// Victoria is VictoriaLogs, a server of others that takes logs by several
// vendors' protocols. It keeps what comes twice twice.
type Victoria struct{ URL string }

// StartVictoria runs one until the test ends.
func StartVictoria(t testing.TB) Victoria {
	t.Helper()
	address := FreeAddress(t)
	Start(t, Program{Path: Peer(t, "victoria-logs"), Args: []string{"-httpListenAddr", address, "-storageDataPath", t.TempDir()}, Ready: "http://" + address + "/health"})
	return Victoria{"http://" + address}
}

// All is what it holds: the fields of each entry, as text.
func (v Victoria) All(t testing.TB) (all []map[string]string) {
	t.Helper()
	flushed, err := http.Get(v.URL + "/internal/force_flush")
	if err != nil {
		t.Fatal(err)
	}
	flushed.Body.Close()
	resp, err := http.PostForm(v.URL+"/select/logsql/query", url.Values{"query": {"*"}, "limit": {"100000"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		fields := map[string]string{}
		if err := json.Unmarshal(lines.Bytes(), &fields); err != nil {
			t.Fatal(err)
		}
		all = append(all, fields)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
