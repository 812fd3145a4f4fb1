package child

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Headgate is a running gateway.
type Headgate struct {
	*Process
	API, MQTT string // addresses
	KeyID     string // of the AWS APIs
	Secret    string

	admin *http.Client
}

// HeadgateConfig is what a benchmark chooses.
type HeadgateConfig struct {
	Binary string // empty: it is built from this source
	Folder string // an empty folder for data and configuration
	Shards int
	MQTT   bool
	Extra  []string // flags after ours

	Settings string // further lines of the configuration
}

// StartHeadgate runs `headgate serve` without limits, with one stream named
// bench that everything goes to, and waits for its doors to open.
func StartHeadgate(c HeadgateConfig) (*Headgate, error) {
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	file := filepath.Join(c.Folder, "headgate.yaml")
	settings := fmt.Sprintf("streams:\n  - {name: bench, shards: %d, retention: 24h}\n"+
		"routes:\n  - {topic: \"#\", stream: bench, shards: %d, key: \"{clientid}\"}\n", c.Shards, c.Shards)
	if err := os.WriteFile(file, []byte(settings+c.Settings), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	mqtt, data := "off", filepath.Join(c.Folder, "data")
	if c.MQTT {
		mqtt = "127.0.0.1:0"
	}
	args := append([]string{"serve", "--config", file, "--data", data, "--api", "127.0.0.1:0", "--mqtt", mqtt,
		"--console", "off", "--limits", "off", "--log-level", "warn"}, c.Extra...)
	p, err := Start("ready", c.Binary, args...)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(data, "admin.sock")
	h := &Headgate{
		Process: p, API: p.Field("Kinesis API"), MQTT: p.Field("MQTT"), KeyID: p.Field("AWS_ACCESS_KEY_ID"), Secret: secret(p),
		admin: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}},
	}
	// Streams are made after the doors are open.
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if s, err := h.Status(); err == nil && slices.ContainsFunc(s.Streams, func(m StreamStatus) bool { return m.Name == "bench" && m.Shards == c.Shards }) {
			return h, nil
		}
	}
	h.Stop()
	return nil, fmt.Errorf("headgate made no stream within %s", patience)
}

// secret may hold any character, so it is cut at the first = only.
func secret(p *Process) string {
	const name = "AWS_SECRET_ACCESS_KEY="
	for _, l := range p.Lines() {
		for i := range l {
			if len(l)-i > len(name) && l[i:i+len(name)] == name {
				return l[i+len(name):]
			}
		}
	}
	return ""
}

// Status is the part of `headgate status -o json` that is measured.
type Status struct {
	Log struct {
		Leading bool   `json:"leading"`
		Applied uint64 `json:"applied"`
		Records uint64 `json:"records"`
		Bytes   uint64 `json:"bytes"` // of data and keys
		Commits uint64 `json:"commits"`
	} `json:"log"`
	Disk struct {
		Stored  uint64 `json:"stored"`
		Written uint64 `json:"written"`
		Syncs   uint64 `json:"syncs"`
	} `json:"disk"`
	Streams []StreamStatus `json:"streams"`
	Site    struct {
		Voters int `json:"voters"`
	} `json:"site"` // of a gateway with peers
}

// StreamStatus is one stream of a Status.
type StreamStatus struct {
	Name    string `json:"name"`
	Shards  int    `json:"shards"`
	Records uint64 `json:"records"`
	Stored  uint64 `json:"stored"`
}

// Status asks the gateway how it is doing.
func (h *Headgate) Status() (Status, error) {
	var s Status
	answer, err := h.admin.Get("http://gateway/status")
	if err != nil {
		return s, fmt.Errorf("ask for status: %w", err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil {
		return s, fmt.Errorf("read status: %w", err)
	}
	return s, nil
}
