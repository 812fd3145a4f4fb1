package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/deploy/bench/internal/child"
)

// measureHeadgate puts the backlog into a stream, makes a delivery and waits
// until it has delivered.
func measureHeadgate(s settings, folder, input, task string) (Result, error) {
	h, err := child.StartHeadgate(child.HeadgateConfig{Binary: s.headgate, Folder: folder, Shards: 4})
	if err != nil {
		return Result{}, err
	}
	defer h.Stop()
	if err := put(h, input); err != nil {
		return Result{}, err
	}
	server, err := serve()
	if err != nil {
		return Result{}, err
	}
	defer server.close()
	out := filepath.Join(folder, "out")
	document := map[string]any{"name": "bench", "stream": "bench", "interval": "1s", "size": "4MiB", "compression": "gzip"}
	switch task {
	case toFiles:
		document["local"] = map[string]any{"folder": out}
	case partitioned:
		document["transform"] = []map[string]any{{"partition": map[string]any{"query": "{p: (.n % 64 | tostring)}"}}}
		document["prefix"] = "p=!{partitionKeyFromQuery:p}/"
		document["local"] = map[string]any{"folder": out}
	case transformed:
		document["transform"] = []map[string]any{{"filter": `temp > 50 and status == "RUN"`}, {"rename": map[string]any{"from": "temp", "to": "temperature"}}, {"set": map[string]any{"path": "site", "value": "north"}}}
		fallthrough
	default:
		document["http"] = map[string]any{"url": server.url + "/firehose", "encoding": "gzip"}
	}
	text, err := json.Marshal(document)
	if err != nil {
		return Result{}, err
	}
	time.Sleep(3 * time.Second) // for what the puts left to do
	before, err := child.Measure(h.Pid)
	if err != nil {
		return Result{}, err
	}
	begin := time.Now()
	data := filepath.Join(folder, "data")
	create := exec.Command(s.headgate, "delivery", "create", "-f", "-", "--data", data)
	create.Stdin = bytes.NewReader(text)
	if said, err := create.CombinedOutput(); err != nil {
		return Result{}, fmt.Errorf("create delivery: %w: %s", err, said)
	}
	want, took := int64(s.records), time.Duration(0)
	if task == transformed {
		want /= 2
	}
	err = until("the backlog is delivered", func() (bool, error) {
		if task != toFiles && task != partitioned {
			took = time.Since(begin)
			return server.records.Load() >= want, nil
		}
		d, err := delivered(s.headgate, data)
		took = time.Since(begin)
		return d >= want, err
	})
	if err != nil {
		return Result{}, err
	}
	after, err := child.Measure(h.Pid)
	if err != nil {
		return Result{}, err
	}
	got := server.records.Load()
	if task == toFiles || task == partitioned {
		n, err := lines(out)
		if err != nil {
			return Result{}, err
		}
		got = int64(n)
	}
	if got != want {
		return Result{}, fmt.Errorf("%d records arrived of %d", got, want)
	}
	return figures(s.records, took, before, after), nil
}

// delivered is how many records the delivery has delivered.
func delivered(headgate, data string) (int64, error) {
	text, err := exec.Command(headgate, "delivery", "show", "bench", "-o", "json", "--data", data).Output()
	if err != nil {
		return 0, fmt.Errorf("show delivery: %w", err)
	}
	var d struct {
		Records int64 `json:"records"`
	}
	err = json.Unmarshal(text, &d)
	return d.Records, err
}

// put puts the lines of a file.
func put(h *child.Headgate, input string) error {
	f, err := os.Open(input)
	if err != nil {
		return fmt.Errorf("read backlog: %w", err)
	}
	defer f.Close()
	client := kinesis.New(kinesis.Options{Region: "us-east-1", BaseEndpoint: aws.String("http://" + h.API), Credentials: credentials.NewStaticCredentialsProvider(h.KeyID, h.Secret, "")})
	var entries []types.PutRecordsRequestEntry
	flush := func() error {
		if len(entries) == 0 {
			return nil
		}
		answer, err := client.PutRecords(context.Background(), &kinesis.PutRecordsInput{StreamName: aws.String("bench"), Records: entries})
		if err != nil {
			return fmt.Errorf("put: %w", err)
		}
		if n := aws.ToInt32(answer.FailedRecordCount); n > 0 {
			return fmt.Errorf("put: %d records were refused", n)
		}
		entries = nil
		return nil
	}
	n := 0
	for scan := bufio.NewScanner(f); scan.Scan(); n++ {
		entries = append(entries, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint("press-", n%200)), Data: bytes.Clone(scan.Bytes())})
		if len(entries) == 500 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
