package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) invite() *cobra.Command {
	return a.withData(&cobra.Command{
		Use:   "invite",
		Short: "Print a code with which one gateway may join the site",
		Long: `Print a code with which one other gateway may join this one's site, once and
within an hour. Whoever has the code can join: pass it on as you would a password.
The gateway must have been started with --peer ADDRESS.`,
		Example: `  headgate invite
  headgate serve --data /srv/headgate --peer 192.168.1.12:7400 --join CODE   (on the other box)`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i, err := a.client().Invite(cmd.Context())
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(i)
			}
			_, err = fmt.Fprintln(a.term.out, i.Code)
			return err
		},
	})
}

func (a *app) join() *cobra.Command {
	var peer string
	cmd := a.withData(&cobra.Command{
		Use:   "join CODE",
		Short: "Join a site with a code of `headgate invite`, without serving yet",
		Long: `Join the site that the code invites to. The data folder must be new: a gateway
that holds records of its own does not join another one's log. Afterwards
headgate serve --data DIR takes part; it remembers the address.`,
		Example: `  headgate join CODE --peer 192.168.1.12:7400
  headgate serve`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := gateway.Defaults()
			c.Data, c.Peer, c.Join = a.data, peer, args[0]
			if err := c.Validate(); err != nil {
				return usageError{err}
			}
			joined, err := gateway.Join(c)
			if err != nil {
				return faulty(err)
			}
			if a.json() {
				return a.printJSON(joined)
			}
			_, err = fmt.Fprintf(a.term.out, "gateway %s has joined site %s; start it with: headgate serve --data %s\n", joined.ID, joined.Site, a.data)
			return err
		},
	})
	cmd.Flags().StringVar(&peer, "peer", "", "address where the other gateways find this one")
	return cmd
}
