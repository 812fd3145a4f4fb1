package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) recover() *cobra.Command {
	var accept bool
	cmd := a.withData(&cobra.Command{
		Use:   "recover",
		Short: "Go on alone when the majority of the site is gone for good",
		Long: `Make this gateway the only voter of a site whose majority is gone for good. The
log goes on from what this gateway holds; what the others had stored without it
is lost, and headgate says how much that may be. Records in its spool follow.
The gateway must not be running. Others join again with headgate invite.`,
		Example: "  headgate recover --accept-loss --data /srv/headgate",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !accept {
				return usageError{errors.New("what only the lost gateways held is given up: say --accept-loss if they are gone for good")}
			}
			r, err := gateway.Recover(cmd.Context(), a.data)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(r)
			}
			return a.fields([][2]string{
				{"gateway", r.ID + " is the only voter now"},
				{"log", fmt.Sprintf("goes on behind entry %d of term %d, %d of them applied", r.Last, r.Term, r.Applied)},
				{"given up", r.Loss},
				{"left the site", strings.Join(r.Gone, ", ")},
				{"spool", fmt.Sprintf("%s rows are handed to the log at the next start", count(r.Spooled))},
			})
		},
	})
	cmd.Flags().BoolVar(&accept, "accept-loss", false, "the lost gateways will not come back")
	return cmd
}
