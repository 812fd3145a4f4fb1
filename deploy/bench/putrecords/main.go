// Command putrecords measures what PutRecords costs: records a second and the
// server's CPU time for each record, for headgate and for kinesalite in turns.
// It asserts nothing.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/deploy/bench/internal/child"
)

// Result is one turn of one server.
type Result struct {
	Server    string  `json:"server"`
	Turn      int     `json:"turn"`
	Records   uint64  `json:"records"`
	PerSecond float64 `json:"records_per_second"`
	CPU       float64 `json:"cpu_microseconds_per_record"`
	RSS       uint64  `json:"rss_bytes"`
	Requests  float64 `json:"requests"`
}

type settings struct {
	headgate, peers, dir string
	seconds, turns       int
	json                 bool
}

func main() {
	var s settings
	flag.StringVar(&s.headgate, "headgate", "", "binary of headgate (default: built from this source)")
	cache, _ := os.UserCacheDir()
	flag.StringVar(&s.peers, "kinesalite", filepath.Join(cache, "headgate/peers/kinesalite"), "folder with node_modules/kinesalite")
	flag.StringVar(&s.dir, "dir", os.TempDir(), "folder on the disk that is measured")
	flag.IntVar(&s.seconds, "seconds", 10, "length of each turn")
	flag.IntVar(&s.turns, "turns", 2, "turns of each server")
	flag.BoolVar(&s.json, "json", false, "print JSON")
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "putrecords:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	dir, err := os.MkdirTemp(s.dir, "headgate-bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if s.headgate == "" {
		if s.headgate, err = child.Build(dir, ".", "headgate/cmd/headgate", "headgate"); err != nil {
			return err
		}
	}
	var all []Result
	for turn := 1; turn <= s.turns; turn++ {
		ours, err := headgate(s, filepath.Join(dir, fmt.Sprint("headgate", turn)))
		if err != nil {
			return err
		}
		theirs, err := kinesalite(s, filepath.Join(dir, fmt.Sprint("kinesalite", turn)))
		if err != nil {
			return err
		}
		for _, r := range []Result{ours, theirs} {
			r.Turn = turn
			all = append(all, r)
		}
	}
	if s.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	return table(all)
}

func table(all []Result) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVER\tTURN\tRECORDS/S\tCPU µs/RECORD\tRSS MB")
	for _, r := range all {
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.2f\t%d\n", r.Server, r.Turn, r.PerSecond, r.CPU, r.RSS>>20)
	}
	for i := 0; i+1 < len(all); i += 2 {
		fmt.Fprintf(w, "ratio\t%d\t%.1f\t1/%.1f\t\n", all[i].Turn, all[i].PerSecond/all[i+1].PerSecond, all[i+1].CPU/all[i].CPU)
	}
	return w.Flush()
}

const connections = 4

func headgate(s settings, folder string) (Result, error) {
	h, err := child.StartHeadgate(child.HeadgateConfig{Binary: s.headgate, Folder: folder, Shards: 16})
	if err != nil {
		return Result{}, err
	}
	defer h.Stop()
	r, err := load(server{name: "headgate", pid: h.Pid, address: h.API, key: h.KeyID, secret: h.Secret}, s.seconds)
	if err != nil {
		return r, err
	}
	status, err := h.Status()
	if err == nil && status.Log.Records < r.Records {
		err = fmt.Errorf("headgate says that it stored %d records, %d were acknowledged", status.Log.Records, r.Records)
	}
	return r, err
}

// kinesalite keeps its log in a folder, but unlike headgate never syncs it.
func kinesalite(s settings, folder string) (Result, error) {
	address, err := child.FreeAddress()
	if err != nil {
		return Result{}, err
	}
	program := filepath.Join(s.peers, "node_modules/kinesalite/cli.js")
	if _, err := os.Stat(program); err != nil {
		return Result{}, fmt.Errorf("find the peer (npm i kinesalite@3.3.3 in %s): %w", s.peers, err)
	}
	p, err := child.Start("Listening", "node", program, "--port", address[len("127.0.0.1:"):], "--path", folder, "--shardLimit", "64", "--createStreamMs", "1")
	if err != nil {
		return Result{}, err
	}
	defer p.Stop()
	if err := child.Listening(address); err != nil {
		return Result{}, err
	}
	to := server{name: "kinesalite", pid: p.Pid, address: address, key: "AKIABENCH", secret: "bench"}
	c := newCaller(to)
	if _, err := c.call("CreateStream", []byte(`{"StreamName":"bench","ShardCount":16}`)); err != nil {
		return Result{}, err
	}
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		answer, err := c.call("DescribeStreamSummary", []byte(`{"StreamName":"bench"}`))
		if err == nil && active(answer) {
			break
		}
		if time.Now().After(until) {
			return Result{}, errors.Join(errors.New("kinesalite made no stream"), err)
		}
	}
	return load(to, s.seconds)
}

func active(answer []byte) bool {
	var a struct {
		StreamDescriptionSummary struct{ StreamStatus string }
	}
	return json.Unmarshal(answer, &a) == nil && a.StreamDescriptionSummary.StreamStatus == "ACTIVE"
}

// load sends requests over all connections for a second to warm up and then
// for as long as it should, and measures the latter.
func load(to server, seconds int) (Result, error) {
	runtime.GC()
	var records [connections]uint64
	var callers [connections]*caller
	phase := func(length time.Duration) error {
		until := time.Now().Add(length)
		var g errgroup.Group
		for i := range connections {
			g.Go(func() error {
				for n := 0; time.Now().Before(until); n++ {
					stored, err := callers[i].put(n)
					if err != nil {
						return err
					}
					records[i] += uint64(stored)
				}
				return nil
			})
		}
		return g.Wait()
	}
	for i := range callers {
		callers[i] = newCaller(to)
		callers[i].prepare(i)
	}
	r := Result{Server: to.name}
	if err := phase(time.Second); err != nil {
		return r, err
	}
	records = [connections]uint64{}
	before, err := child.Measure(to.pid)
	if err != nil {
		return r, err
	}
	began := time.Now()
	if err := phase(time.Duration(seconds) * time.Second); err != nil {
		return r, err
	}
	took := time.Since(began)
	after, err := child.Measure(to.pid)
	if err != nil {
		return r, err
	}
	for _, n := range records {
		r.Records += n
	}
	r.PerSecond = float64(r.Records) / took.Seconds()
	r.CPU = float64((after.CPU - before.CPU).Nanoseconds()) / 1e3 / float64(max(r.Records, 1))
	r.RSS, r.Requests = after.RSS, float64(r.Records)/500
	for _, c := range callers {
		c.http.CloseIdleConnections()
	}
	return r, nil
}
