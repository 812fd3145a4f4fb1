package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) peers() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:   "peers",
		Short: "Show the gateways of the site: roles, lag, round trips, clocks",
		Long: `Show the gateways of the site. Voters agree on what is stored, always one or
three of them; a learner holds a full copy and takes the place of a voter that
is gone for more than five minutes.`,
		Example: "  headgate peers\n  headgate peers -o json\n  headgate peers remove 1f0c33a09b7d2e45",
		Args:    known,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.peersList(cmd) },
	})
	var force bool
	remove := &cobra.Command{
		Use:   "remove ID",
		Short: "Take a gateway out of the site for good",
		Long: `Take a gateway out of the site for good, to replace a dead box or to use it
elsewhere. Its papers are not accepted any more. To put a new box in its place,
let that one join first.`,
		Example: "  headgate peers remove 1f0c33a09b7d2e45",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().RemovePeer(cmd.Context(), args[0], force); err != nil {
				return err
			}
			if !a.json() {
				fmt.Fprintf(a.term.out, "%s is removed\n", args[0])
			}
			return nil
		},
	}
	remove.Flags().BoolVar(&force, "force", false, "even if a single voter remains")
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "Show the gateways of the site", Args: noArgs, Example: "  headgate peers list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.peersList(cmd) },
	}, remove)
	return cmd
}

func (a *app) peersList(cmd *cobra.Command) error {
	s, err := a.client().Status(cmd.Context())
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(s.Site)
	}
	if s.Site == nil {
		_, err := fmt.Fprintln(a.term.out, "this gateway is alone: start it with --peer ADDRESS and let others join with `headgate invite`")
		return err
	}
	if err := a.fields([][2]string{{"site", siteText(*s.Site)}}); err != nil {
		return err
	}
	return a.siteTable(*s.Site)
}

func (a *app) siteTable(s gateway.SiteStatus) error {
	var rows [][]string
	for _, m := range s.Members {
		rows = append(rows, []string{m.ID, m.Address, role(m), contact(m), count(m.Lag), roundTrip(m), offset(m), m.Version, m.Error})
	}
	return a.table("GATEWAY ADDRESS ROLE CONTACT LAG RTT CLOCK VERSION ERROR", rows)
}

func role(m gateway.MemberStatus) string {
	text := m.Role
	if m.Leader {
		text = "leader"
	}
	if m.Self {
		text += " (this)"
	}
	if m.Holes {
		text += ", incomplete"
	}
	return text
}

func contact(m gateway.MemberStatus) string {
	switch {
	case m.Self || m.Reachable:
		return "now"
	case m.LastContact.IsZero():
		return "never"
	}
	return span(time.Since(m.LastContact)) + " ago"
}

func roundTrip(m gateway.MemberStatus) string {
	if m.Self || m.RoundTrip == 0 {
		return "-"
	}
	return m.RoundTrip.Round(10 * time.Microsecond).String()
}

func offset(m gateway.MemberStatus) string {
	switch {
	case m.Self && m.Synced:
		return "synced"
	case m.Self:
		return "not synced"
	case !m.Reachable:
		return "-"
	}
	text := fmt.Sprintf("%+.1fms", float64(m.Offset)/float64(time.Millisecond))
	if !m.Synced {
		text += ", not synced"
	}
	return text
}
