// Command wear measures what storing telemetry costs the disk: bytes passed
// to write and syncs, for headgate behind its MQTT door and for the same
// records in a Pebble with its defaults. It asserts nothing.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"headgate/deploy/bench/internal/child"
)

// Result is one store at one rate.
type Result struct {
	Store    string  `json:"store"`
	Turn     int     `json:"turn"`
	Rate     int     `json:"records_per_second"`
	Records  int     `json:"records"`
	Payload  uint64  `json:"payload_bytes"`
	Passed   float64 `json:"written_per_payload_byte"`         // to write, in the time measured, idling taken off
	Settled  float64 `json:"written_per_payload_byte_settled"` // with what still has to be written from memory
	Device   float64 `json:"device_bytes_per_payload_byte"`
	Syncs    float64 `json:"syncs_per_record"`
	SyncRate float64 `json:"syncs_per_second"`
	Ratio    float64 `json:"compression_ratio"`  // payload by bytes stored
	IdleRSS  uint64  `json:"idle_rss_bytes"`     // zero for Pebble, which runs inside the benchmark
	BusyRSS  uint64  `json:"busy_rss_bytes"`     // the most that was seen
	CPU      float64 `json:"cpu_percent_of_one"` // of headgate
	IdleRate float64 `json:"idle_bytes_per_second"`
}

type settings struct {
	headgate, dir, payload string
	rates                  []int
	seconds, turns         int
	json                   bool
}

func main() {
	s := settings{}
	flag.StringVar(&s.headgate, "headgate", "", "binary of headgate (default: built from this source)")
	flag.StringVar(&s.dir, "dir", os.TempDir(), "folder on the disk that is measured")
	flag.StringVar(&s.payload, "payload", "plain", "plain, or firmware: the simulated devices' payloads, which end with a checksum")
	rates := flag.String("rates", "50,500,5000", "records a second")
	flag.IntVar(&s.seconds, "seconds", 40, "length of each load")
	flag.IntVar(&s.turns, "turns", 2, "turns of each store")
	flag.BoolVar(&s.json, "json", false, "print JSON")
	flag.Parse()
	err := s.parse(*rates)
	if err == nil {
		err = run(s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wear:", err)
		os.Exit(1)
	}
}

func (s *settings) parse(rates string) error {
	for one := range strings.SplitSeq(rates, ",") {
		n, err := strconv.Atoi(one)
		if err != nil || n < 1 {
			return fmt.Errorf("-rates: %q is no rate", one)
		}
		s.rates = append(s.rates, n)
	}
	if s.payload != "plain" && s.payload != "firmware" {
		return fmt.Errorf("-payload: %q is neither plain nor firmware", s.payload)
	}
	return nil
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
	stores := []func(settings, string, int) (Result, error){throughHeadgate, throughPebble}
	var all []Result
	for turn := 1; turn <= s.turns; turn++ {
		for _, rate := range s.rates {
			for i, store := range stores {
				folder := filepath.Join(dir, fmt.Sprintf("%d-%d-%d", turn, rate, i))
				r, err := store(s, folder, rate)
				if err != nil {
					return err
				}
				r.Turn, r.Rate = turn, rate
				all = append(all, r)
				if err := os.RemoveAll(folder); err != nil {
					return fmt.Errorf("clean up: %w", err)
				}
			}
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
	fmt.Fprintln(w, "STORE\tTURN\tRECORDS/S\tB/RECORD\tWRITTEN/B\tSETTLED/B\tDEVICE/B\tSYNCS/RECORD\tSYNCS/S\tRATIO\tIDLE MB\tBUSY MB\tCPU %")
	for i, r := range all {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.3f\t%.3f\t%.2f\t%.4f\t%.1f\t%.1f\t%s\t%s\t%s\n", r.Store, r.Turn, r.Rate, r.Payload/uint64(r.Records),
			r.Passed, r.Settled, r.Device, r.Syncs, r.SyncRate, r.Ratio, some(r.IdleRSS>>20), some(r.BusyRSS>>20), some(uint64(r.CPU)))
		if i%2 == 1 {
			ours := all[i-1]
			fmt.Fprintf(w, "pebble / headgate\t%d\t%d\t\t%.1f\t%.1f\t%.1f\t%.1f\t\t\t\t\t\n", r.Turn, r.Rate,
				r.Passed/ours.Passed, r.Settled/ours.Settled, r.Device/ours.Device, r.Syncs/ours.Syncs)
		}
	}
	return w.Flush()
}

func some(n uint64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
