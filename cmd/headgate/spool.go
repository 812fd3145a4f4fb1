package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) spool() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:   "spool",
		Short: "Show or export what is kept while there is no quorum",
		Long: `A gateway that reaches no majority of its site keeps what devices send in its
spool, acknowledges it, and hands it to the log when the others are back.`,
		Example: "  headgate spool\n  headgate spool export --data /srv/headgate > records.ndjson",
		Args:    known,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.spoolStatus(cmd) },
	})
	cmd.AddCommand(&cobra.Command{
		Use: "status", Short: "Show what the spool holds", Args: noArgs, Example: "  headgate spool status -o json",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.spoolStatus(cmd) },
	}, &cobra.Command{
		Use:   "export",
		Short: "Print the spool's records, one JSON object a line",
		Long: `Print the records of the spool, one JSON object a line, data in base64. It
works on a folder that no gateway runs on: when the rest of a site is gone for
good, nothing that this gateway acknowledged is lost with it.`,
		Example: "  headgate spool export --data /srv/headgate > records.ndjson", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := json.NewEncoder(a.term.out)
			return gateway.ExportSpool(cmd.Context(), a.data, func(r gateway.SpoolRecord) error { return out.Encode(r) })
		},
	})
	return cmd
}

func (a *app) spoolStatus(cmd *cobra.Command) error {
	s, err := a.client().Status(cmd.Context())
	if err != nil {
		return err
	}
	if s.Site == nil {
		_, err := fmt.Fprintln(a.term.out, "this gateway is alone and has no spool")
		return err
	}
	if a.json() {
		return a.printJSON(s.Site.Spool)
	}
	return a.fields(spoolRows(*s.Site))
}

func spoolRows(s gateway.SiteStatus) [][2]string {
	state := "not in use"
	switch {
	case s.Spool.Isolated:
		state = "isolated since " + timeText(s.Spool.Since) + ": records go to the spool"
	case s.Spool.Draining:
		state = "draining"
	}
	rows := [][2]string{{"spool", state}}
	if s.Spool.Rows > 0 {
		rows = append(rows, [2]string{"it holds", fmt.Sprintf("%s records, %s, oldest %s", count(s.Spool.Records), bytesText(uint64(s.Spool.Bytes)), timeText(s.Spool.Oldest))})
	}
	if s.Spool.Kept+s.Spool.Drained+s.Spool.Refused+s.Spool.Dropped == 0 {
		return rows
	}
	return append(rows, [2]string{"since the start", fmt.Sprintf("%s records kept, %s drained, %s known already, %s refused, %s given up",
		count(s.Spool.Kept), count(s.Spool.Drained), count(s.Spool.Known), count(s.Spool.Refused), count(s.Spool.Dropped))})
}
