package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) bench() *cobra.Command {
	c := gateway.BenchConfig{}
	cmd := a.withData(&cobra.Command{
		Use:   "bench",
		Short: "Measure what this box can do",
		Long: `Measure what this box can do: how often its disk syncs, and how many records a
second it makes durable, for one producer and for many over 1, 16 and 64 shards
without quotas. It works in a folder of its own beside the data folder, removes
it again, and loads the box while it runs.`,
		Example: "  headgate bench\n  headgate bench --data /srv/headgate --time 20s -o json\n  headgate bench --shards 4,32",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, n := range c.Shards {
				if n < 1 || n > 1000 {
					return usageError{errors.New("--shards: 1 to 1000")}
				}
			}
			c.Folder = filepath.Dir(filepath.Clean(a.data))
			p := a.progress()
			p.since = time.Time{} // it always takes long
			c.Note = func(what string) {
				p.last = time.Time{}
				p.clear()
				p.show("measuring: %s ...", what)
			}
			report, err := gateway.Bench(cmd.Context(), c)
			p.clear()
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(report)
			}
			return a.printBench(report)
		},
	})
	cmd.Flags().IntSliceVar(&c.Shards, "shards", []int{1, 16, 64}, "numbers of shards to try")
	cmd.Flags().DurationVar(&c.Time, "time", 5*time.Second, "how long each measurement takes")
	return cmd
}

func (a *app) printBench(r gateway.BenchReport) error {
	if err := a.fields([][2]string{
		{"disk alone", fmt.Sprintf("%.0f syncs a second, median %v, worst %v", r.Disk.SyncsPerSecond, round(r.Disk.Median), round(r.Disk.Worst))},
		{"one by one", fmt.Sprintf("%.0f durable records a second, median %v, 99%% within %v", r.Lone.RecordsPerSecond, round(r.Lone.Median), round(r.Lone.P99))},
	}); err != nil {
		return err
	}
	fmt.Fprintln(a.term.out)
	var rows [][]string
	for _, s := range r.Shards {
		rows = append(rows, []string{fmt.Sprint(s.Shards), count(uint64(s.RecordsPerSecond)), bytesText(uint64(s.BytesPerSecond)),
			fmt.Sprintf("%.0f", s.SyncsPerSecond), bytesText(uint64(s.BytesPerSync)), fmt.Sprintf("%.2f", s.WrittenPerByte)})
	}
	return a.table("SHARDS RECORDS/S BYTES/S SYNCS/S BYTES/SYNC WRITTEN/BYTE", rows)
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
