package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs, Example: "  headgate version -o json",
		RunE: func(*cobra.Command, []string) error {
			if a.json() {
				return a.printJSON(map[string]string{"version": gateway.Version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
			}
			_, err := fmt.Fprintf(a.term.out, "headgate %s (%s, %s/%s)\n", gateway.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func (a *app) logLevel() *cobra.Command {
	return a.withData(&cobra.Command{
		Use: "log-level LEVEL", Short: "Change how much a running gateway logs", Args: exactArgs(1),
		Example: "  headgate log-level debug",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.client().SetLogLevel(cmd.Context(), args[0])
		},
	})
}
