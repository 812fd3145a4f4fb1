package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) simulateOutage() *cobra.Command {
	var length time.Duration
	var peers, uplink bool
	cmd := a.withData(&cobra.Command{
		Use:   "simulate-outage",
		Short: "Cut the peers or the uplink on purpose, and prove that nothing was lost",
		Long: `Cut this gateway off from its peers, or its deliveries from the uplink, for a
while and on purpose. Devices go on meanwhile. Then everything is mended, the
backlog drained, and counted: what was acknowledged during the outage is in the
log. Ctrl-C mends at once.`,
		Example: `  headgate simulate-outage --peers --for 2m
  headgate simulate-outage --uplink --for 10m -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !peers && !uplink {
				return usageError{fmt.Errorf("say what to cut: --peers, --uplink or both")}
			}
			if length < time.Second || length > 24*time.Hour {
				return usageError{fmt.Errorf("--for %v: 1s to 24h are allowed", length)}
			}
			p := a.progress()
			report, err := a.client().SimulateOutage(cmd.Context(), gateway.Outage{Peers: peers, Uplink: uplink, Length: length.String()},
				func(s gateway.OutageStep) { p.show("%s  %s", s.Phase, s.Text) })
			p.clear()
			if err != nil {
				return err
			}
			if a.json() {
				if err := a.printJSON(report); err != nil {
					return err
				}
			} else if err := a.fields(outageRows(report)); err != nil {
				return err
			}
			if !report.Whole {
				return quietError{fmt.Errorf("records are missing")}
			}
			return nil
		},
	})
	f := cmd.Flags()
	f.BoolVar(&peers, "peers", false, "cut the links to the other gateways")
	f.BoolVar(&uplink, "uplink", false, "cut the deliveries from their destinations")
	f.DurationVar(&length, "for", time.Minute, "how long")
	return cmd
}

func outageRows(r gateway.OutageReport) [][2]string {
	var cut []string
	if r.Peers {
		cut = append(cut, "peers")
	}
	if r.Uplink {
		cut = append(cut, "uplink")
	}
	verdict := "nothing was lost"
	if !r.Whole {
		verdict = "RECORDS ARE MISSING"
	}
	rows := [][2]string{
		{"cut", strings.Join(cut, " and ") + " for " + span(r.Lasted)},
		{"acknowledged meanwhile", count(r.Acknowledged) + " records, " + count(r.Spooled) + " of them into the spool"},
		{"back to normal", "after " + span(r.Mended)},
	}
	if r.Peers {
		rows = append(rows, [2]string{"drained", fmt.Sprintf("%s records, %s of them stored before and not again, %s to _orphans; %s given up", count(r.Drained), count(r.Known), count(r.Orphans), count(r.Dropped))})
	}
	if r.Uplink {
		rows = append(rows, [2]string{"deliveries", count(r.Delivered) + " records delivered afterwards, " + count(r.Undelivered) + " still to go"})
	}
	return append(rows, [2]string{"proof", verdict})
}
