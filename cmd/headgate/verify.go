package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) verify() *cobra.Command {
	return a.withData(&cobra.Command{
		Use:   "verify",
		Short: "Walk every block and check it, with a gateway running or not",
		Example: `  headgate verify
  headgate verify --data /mnt/card/headgate -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := a.progress()
			show := func(done, total uint64) { p.show("%s %s of %s", bar(done, total), bytesText(done), bytesText(total)) }
			walk := func() (gateway.VerifyReport, error) { return gateway.VerifyFolder(cmd.Context(), a.data, show) }
			if c := a.client(); c.Running() {
				walk = func() (gateway.VerifyReport, error) { return c.Verify(cmd.Context(), show) }
			}
			report, err := walk()
			p.clear()
			if err != nil {
				return err
			}
			return a.showReport(report)
		},
	})
}

func (a *app) showReport(r gateway.VerifyReport) error {
	if a.json() {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.term.out, "%s blocks, %s records, %s\n", count(r.Blocks), count(r.Records), bytesText(r.Bytes))
		if r.Damage != "" {
			fmt.Fprintln(a.term.out, "damage:", r.Damage)
		}
		for _, b := range r.Bad {
			fmt.Fprintf(a.term.out, "bad block: stream %s, bucket %d, entry %d, block %d: %s\n", b.Stream, b.Bucket, b.Index, b.Block, b.Why)
		}
		for _, g := range r.Missing {
			fmt.Fprintf(a.term.out, "missing: stream %s, %s, records %d to %d\n", g.Stream, g.Shard, g.First, g.Last)
		}
		if r.Whole() {
			fmt.Fprintln(a.term.out, "everything is whole")
		}
	}
	if !r.Whole() {
		return quietError{errors.New("the log is not whole")}
	}
	return nil
}
