package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"headgate/deploy/bench/internal/child"
)

// measureBenthos has benthos read the backlog from a file. It ends by itself
// when all is delivered; what it took is read a moment before.
func measureBenthos(s settings, folder, input, task string) (Result, error) {
	server, err := serve()
	if err != nil {
		return Result{}, err
	}
	defer server.close()
	out := filepath.Join(folder, "out")
	config := filepath.Join(folder, "benthos.yaml")
	if err := os.WriteFile(config, []byte(pipeline(input, out, server.url, task)), 0o600); err != nil {
		return Result{}, fmt.Errorf("write configuration: %w", err)
	}
	want := int64(s.records)
	if task == transformed {
		want /= 2
	}
	begin := time.Now()
	p, err := child.Start("", s.benthos, "-c", config)
	if err != nil {
		return Result{}, err
	}
	defer p.Stop()
	var usage child.Usage
	var took time.Duration
	err = until("the backlog is delivered", func() (bool, error) {
		u, err := child.Measure(p.Pid)
		if err != nil { // it has ended
			return true, nil
		}
		if u.CPU > 0 {
			usage, took = u, time.Since(begin)
		}
		return task != toFiles && server.records.Load() >= want, nil
	})
	if err != nil {
		return Result{}, err
	}
	got := server.records.Load()
	if task == toFiles {
		n, err := lines(out)
		if err != nil {
			return Result{}, err
		}
		got = int64(n)
	}
	if got != want {
		return Result{}, fmt.Errorf("%d records arrived of %d: %v", got, want, p.Lines())
	}
	return figures(s.records, took, child.Usage{}, usage), nil
}

// pipeline is the task in benthos's words: batches as large as ours, four
// under way as we have four shards.
func pipeline(input, out, url, task string) string {
	process := "[]"
	if task == transformed {
		process = "\n    - mapping: |\n        root = if this.temp > 50 && this.status == \"RUN\" { this.without(\"temp\").assign({\"temperature\": this.temp, \"site\": \"north\"}) } else { deleted() }"
	}
	const batching = "    batching:\n      byte_size: 4194304\n      period: 1s\n      processors:\n        - archive: {format: lines}\n        - compress: {algorithm: gzip}\n"
	output := fmt.Sprintf("  http_client:\n    url: %s/lines\n    verb: POST\n    headers: {Content-Encoding: gzip}\n    max_in_flight: 4\n%s", url, batching)
	if task == toFiles {
		output = "  broker:\n    outputs:\n      - file:\n          path: '" + out + "/${!count(\"files\")}.gz'\n          codec: all-bytes\n" + batching
	}
	return fmt.Sprintf("http: {enabled: false}\nlogger: {level: WARN}\ninput:\n  file:\n    paths: [%s]\n    scanner: {lines: {}}\npipeline:\n  threads: 2\n  processors: %s\noutput:\n%s", input, process, output)
}
