package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

// app is what all commands share.
type app struct {
	term   terminal
	data   string
	output string
}

func newRoot(term terminal) *cobra.Command {
	a := &app{term: term}
	root := &cobra.Command{
		Use:   "headgate",
		Short: "Keep what devices send, durably, and deliver it",
		Long: `Headgate is a gateway for edge boxes: devices write into it over MQTT and the
Kinesis API, it keeps what they wrote in compressed, fsynced shard logs, and
delivers it when the cloud is there.

Exit codes: 0 done, 1 failed, 2 usage, 3 the disk refused a write or a sync.`,
		Example: `  headgate demo                       a gateway with devices, to look around
  headgate serve --data /srv/headgate  a gateway
  headgate status                     how it is doing
  headgate tail telemetry -f          what comes in`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          known,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(term.in)
	root.SetOut(term.out)
	root.SetErr(term.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w\nsee %s --help", err, cmd.CommandPath())}
	})
	root.PersistentFlags().StringVarP(&a.output, "output", "o", "text", "how to print: text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains([]string{"text", "json"}, a.output) {
			return usageError{fmt.Errorf("-o %s: write text or json", a.output)}
		}
		return nil
	}
	root.AddCommand(a.serve(), a.demo(), a.status(), a.streams(), a.put(), a.tail(), a.gaps(),
		a.deliveries(), a.delivery(), a.rules(), a.camera(), a.verify(), a.bench(), a.keys(), a.audit(), a.device(), a.things(), a.jobs(), a.logLevel(), a.version(),
		a.invite(), a.join(), a.peers(), a.spool(), a.simulateOutage(), a.recover(), a.clock(), a.ca(), a.route())
	return root
}

// known refuses what is no command, and says which one was meant.
func known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	path := cmd.CommandPath()
	cmd.SuggestionsMinimumDistance = 2
	text := fmt.Sprintf("unknown command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += ": did you mean\n  " + path + " " + strings.Join(near, "\n  "+path+" ")
	}
	return usageError{fmt.Errorf("%s\nsee %s --help", text, path)}
}

// withData gives the command the flag that names the gateway it is about.
func (a *app) withData(cmd *cobra.Command) *cobra.Command {
	folder := gateway.Defaults().Data
	if v, ok := os.LookupEnv("HEADGATE_DATA"); ok {
		folder = v
	}
	cmd.PersistentFlags().StringVar(&a.data, "data", folder, "data folder of the gateway (HEADGATE_DATA)")
	return cmd
}

// client reaches the gateway that runs on the data folder.
func (a *app) client() *gateway.Client { return gateway.Dial(a.data) }

func (a *app) json() bool { return a.output == "json" }

func noArgs(cmd *cobra.Command, args []string) error { return exactArgs(0)(cmd, args) }

// exactArgs is cobra's, with the exit code of a usage error.
func exactArgs(n int) cobra.PositionalArgs { return usage(cobra.ExactArgs(n)) }

func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w\nusage: %s", err, cmd.UseLine())}
		}
		return nil
	}
}
