package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) cameraDiscover() *cobra.Command {
	var long time.Duration
	var username, password string
	cmd := &cobra.Command{
		Use: "discover [ADDRESS…]", Short: "Look for cameras on the network by ONVIF",
		Long: `Ask the network for cameras (WS-Discovery, UDP multicast 239.255.255.250:3702),
or the addresses that are named, and those that answer for their streams.
Nothing is added, and nothing is ever asked unless this command is run.`,
		Example: `  headgate camera discover
  headgate camera discover 192.0.2.7:3702 --username admin --password-file /etc/headgate/yard`,
		RunE: func(cmd *cobra.Command, args []string) error {
			secret := ""
			if password != "" {
				var err error
				if secret, err = (&gateway.Secret{File: password}).Read(); err != nil {
					return err
				}
			}
			found, err := gateway.DiscoverCameras(cmd.Context(), long, username, secret, args...)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(found)
			}
			if len(found) == 0 {
				_, err := fmt.Fprintln(a.term.out, "no camera answered")
				return err
			}
			for _, one := range found {
				fmt.Fprintf(a.term.out, "%s %s %s\n", one.Address, one.Name, one.Model)
				for _, s := range one.Streams {
					fmt.Fprintf(a.term.out, "  %s %s %d×%d %s\n", s.Name, s.Codec, s.Width, s.Height, s.URL)
				}
				if one.Fault != "" {
					fmt.Fprintf(a.term.out, "  ! %s\n", one.Fault)
				}
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&long, "wait", 3*time.Second, "how long to wait for answers")
	cmd.Flags().StringVar(&username, "username", "", "whom the cameras know us as")
	cmd.Flags().StringVar(&password, "password-file", "", "file that holds the password")
	return cmd
}
