package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) bench() *cobra.Command {
	return a.withData(&cobra.Command{
		Use:   "bench",
		Short: "Measure what this box can do, on the disk under the data folder",
		Long: `Measure how fast the disk under the data folder syncs, and how many records a
second the whole write path makes durable for 1, 16 and 64 shards. It takes
about 15 seconds, works in a folder of its own and takes it away again.`,
		Example: "  headgate bench\n  headgate bench --data /mnt/card -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := a.progress()
			r, err := gateway.Bench(cmd.Context(), a.data, func(what string) { p.last = p.since; p.show("measuring %s ...", what) })
			p.clear()
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(r)
			}
			fmt.Fprintf(a.term.out, "disk under %s: %.0f syncs a second, median %s, worst %s\n\n", r.Folder, r.Sync.PerSecond, r.Sync.Median, r.Sync.Worst)
			var rows [][]string
			for _, s := range r.Put {
				rows = append(rows, []string{fmt.Sprint(s.Shards), count(uint64(s.PerSecond)), bytesText(uint64(s.PerSync)), fmt.Sprintf("%.2f", s.PerByte)})
			}
			return a.table("SHARDS RECORDS/S BYTES/SYNC WRITTEN/BYTE", rows)
		},
	})
}
