package sinktest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Collector is OpenTelemetry's, with receivers that are not ours: Splunk's HEC
// with acknowledgement, Firehose's HTTP endpoint protocol for records of
// CloudWatch Logs under the access key "sesame", and OTLP.
type Collector struct {
	Splunk, Firehose, OTLP string // URLs
	folder                 string
}

const collectorConfig = `
extensions: {ack: {}}
receivers:
  splunk_hec: {endpoint: %[1]q, ack: {extension: ack}}
  awsfirehose: {endpoint: %[2]q, record_type: cwlogs, access_key: sesame}
  otlp: {protocols: {http: {endpoint: %[3]q}}}
exporters:
  file/splunk: {path: %[4]q, flush_interval: 20ms}
  file/firehose: {path: %[5]q, flush_interval: 20ms}
  file/otlp: {path: %[6]q, flush_interval: 20ms}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  extensions: [ack]
  pipelines:
    logs/splunk: {receivers: [splunk_hec], exporters: [file/splunk]}
    logs/firehose: {receivers: [awsfirehose], exporters: [file/firehose]}
    logs/otlp: {receivers: [otlp], exporters: [file/otlp]}
`

// StartCollector runs one until the test ends.
func StartCollector(t testing.TB) Collector {
	t.Helper()
	program, folder := Peer(t, "otel"), t.TempDir()
	addresses := [3]string{FreeAddress(t), FreeAddress(t), FreeAddress(t)}
	file := func(name string) string { return filepath.Join(folder, name+".json") }
	config := filepath.Join(folder, "collector.yaml")
	text := fmt.Sprintf(collectorConfig, addresses[0], addresses[1], addresses[2], file("splunk"), file("firehose"), file("otlp"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	Start(t, Program{Path: program, Args: []string{"--config", config}, Ready: "http://" + addresses[0] + "/services/collector/health"})
	return Collector{"http://" + addresses[0], "http://" + addresses[1], "http://" + addresses[2], folder}
}

// Logged is one log record that it took.
type Logged struct {
	Body       json.RawMessage
	Attributes map[string]string // those that are text
	Resource   map[string]string
}

type collected struct {
	ResourceLogs []struct {
		Resource  struct{ Attributes []labelled }
		ScopeLogs []struct {
			LogRecords []struct {
				Body       json.RawMessage
				Attributes []labelled
			}
		}
	}
}

type labelled struct {
	Key   string
	Value struct{ StringValue string }
}

func labels(all []labelled) map[string]string {
	m := map[string]string{}
	for _, one := range all {
		m[one.Key] = one.Value.StringValue
	}
	return m
}

// Took is what came by a door, "splunk", "firehose" or "otlp": at least so
// many, since it writes them a moment later.
func (c Collector) Took(t testing.TB, door string, least int) (all []Logged) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(startTime); time.Now().Before(end); <-tick.C {
		if all = c.took(t, door); len(all) >= least {
			return all
		}
	}
	t.Fatalf("%d records came by %s, %d are wanted", len(all), door, least)
	return nil
}

func (c Collector) took(t testing.TB, door string) (all []Logged) {
	f, err := os.Open(filepath.Join(c.folder, door+".json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var some collected
		if json.Unmarshal(lines.Bytes(), &some) != nil {
			return all // the last line is being written
		}
		for _, resource := range some.ResourceLogs {
			for _, scope := range resource.ScopeLogs {
				for _, r := range scope.LogRecords {
					all = append(all, Logged{r.Body, labels(r.Attributes), labels(resource.Resource.Attributes)})
				}
			}
		}
	}
	return all
}
