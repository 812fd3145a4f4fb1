package opensearch_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"headgate/firehose"
	"headgate/firehose/sink/opensearch"
	"headgate/firehose/sinktest"
)

// TestAgainstOpenSearchItself runs the whole suite against OpenSearch, where
// HEADGATE_OPENSEARCH says that it lies (deploy/peers/opensearch).
func TestAgainstOpenSearchItself(t *testing.T) {
	folder := os.Getenv("HEADGATE_OPENSEARCH")
	if folder == "" {
		t.Skip("it is run when HEADGATE_OPENSEARCH says where: see deploy/peers/opensearch/README.md")
	}
	server := startItself(t, folder)
	var indexes atomic.Int64
	sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{Exact: true, Poison: `{"n":"four"}`}, func(t *testing.T) sinktest.Desk {
		d := itself{server, fmt.Sprint("telemetry-", indexes.Add(1))}
		d.ask(t, http.MethodPut, "/"+d.index, `{"mappings":{"properties":{"n":{"type":"long"}}}}`)
		return d
	})
}

// itself is one index of a running OpenSearch.
type itself struct{ url, index string }

func startItself(t *testing.T, folder string) (url string) {
	t.Helper()
	command := exec.Command("java", "-Xmx512m", "-cp", filepath.Join(folder, "classes")+":"+filepath.Join(folder, "lib", "*"), "Main", t.TempDir())
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { input.Close(); _ = command.Wait() })
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if port, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			go func() { _, _ = io.Copy(io.Discard, output) }()
			return "http://127.0.0.1:" + port
		}
	}
	t.Fatal("OpenSearch did not start")
	return ""
}

func (d itself) ask(t *testing.T, method, path, body string) []byte {
	t.Helper()
	r, err := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s %s %v", method, path, answer.Status, text, err)
	}
	return text
}

func (d itself) Sink(t *testing.T) firehose.Sink {
	return sink(t, opensearch.Config{URL: d.url, Index: d.index})
}

func (d itself) Documents(t *testing.T) (all []string) {
	d.ask(t, http.MethodPost, "/"+d.index+"/_refresh", "")
	var found struct {
		Hits struct {
			Hits []struct {
				Source struct {
					Batch string
					N     int
				} `json:"_source"`
			}
		}
	}
	if err := json.Unmarshal(d.ask(t, http.MethodPost, "/"+d.index+"/_search", `{"size":10000}`), &found); err != nil {
		t.Fatal(err)
	}
	for _, hit := range found.Hits.Hits {
		all = append(all, fmt.Sprintf("%s/%d", hit.Source.Batch, hit.Source.N))
	}
	return all
}

func (d itself) Break(t *testing.T) (mend func()) {
	d.ask(t, http.MethodPost, "/"+d.index+"/_close", "")
	return func() { d.ask(t, http.MethodPost, "/"+d.index+"/_open?wait_for_active_shards=1", "") }
}
