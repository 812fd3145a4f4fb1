package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) clock() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use: "clock", Short: "Show how far the clock is trusted, or vouch for it", Example: "  headgate clock\n  headgate clock trust", Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(s.Clock)
			}
			expiry := "records expire by age"
			if !s.Clock.Expiry {
				expiry = "nothing expires by age until the clock has proved itself for a day"
			}
			return a.fields([][2]string{{"clock", s.Clock.Mark}, {"stamps", timeText(s.Clock.Stamp)}, {"retention", expiry}})
		},
	})
	cmd.AddCommand(&cobra.Command{
		Use:   "trust",
		Short: "Say that the wall clock is right as it stands",
		Long: `Say that the wall clock is right as it stands. A gateway does not believe a clock
that jumped, and lets nothing expire by it, for a day; this is the operator's word.`,
		Example: "  headgate clock trust", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.client().TrustClock(cmd.Context()); err != nil {
				return err
			}
			if !a.json() {
				fmt.Fprintln(a.term.out, "the clock is trusted")
			}
			return nil
		},
	})
	return cmd
}
