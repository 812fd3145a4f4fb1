package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) serve() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a gateway",
		Long: `Run a gateway until it is told to stop. Settings come from defaults, then the
file, then the environment (HEADGATE_NAME), then flags.

The first start prints one generated key pair for the AWS APIs; the secret is
shown nowhere else.`,
		Example: `  headgate serve
  headgate serve --config /etc/headgate.yaml
  headgate serve --data /srv/headgate --mqtt 127.0.0.1:1884 --profile flash
  HEADGATE_API=off headgate serve`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := gateway.Load(file, os.LookupEnv, given(cmd))
			if err != nil {
				return usageError{err}
			}
			return a.run(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "YAML file of settings")
	for _, s := range gateway.Settings() {
		if s.Bool {
			cmd.Flags().Bool(s.Name, false, s.Help)
			continue
		}
		cmd.Flags().String(s.Name, "", s.Help)
	}
	return cmd
}

// given are the settings that the command line names.
func given(cmd *cobra.Command) map[string]string {
	values := map[string]string{}
	for _, s := range gateway.Settings() {
		if cmd.Flags().Changed(s.Name) {
			values[s.Name] = cmd.Flags().Lookup(s.Name).Value.String()
		}
	}
	return values
}

// run runs a gateway until ctx ends.
func (a *app) run(ctx context.Context, c gateway.Config) error {
	g, err := gateway.New(c)
	if err != nil {
		return faulty(err)
	}
	a.showKey(g)
	running, stop := context.WithCancel(ctx)
	defer stop()
	var announcing sync.WaitGroup
	defer announcing.Wait()
	announcing.Go(func() {
		select {
		case <-g.Ready():
			a.announce(g)
		case <-running.Done():
		}
	})
	defer stop()
	return g.Run(ctx)
}

// faulty makes what is wrong with the configuration a fault of usage, although
// it showed only when it was put to use.
func faulty(err error) error {
	var fault gateway.Fault
	if errors.As(err, &fault) {
		return usageError{err}
	}
	return err
}

// showKey prints the key pair of a first start before anything can go wrong,
// since its secret is shown nowhere else.
func (a *app) showKey(g *gateway.Gateway) {
	if k := g.FirstKey(); k != nil && !a.json() {
		fmt.Fprintf(a.term.out, "first key pair, shown only now:\n  AWS_ACCESS_KEY_ID=%s\n  AWS_SECRET_ACCESS_KEY=%s\n", k.ID, k.Secret)
	} else if k != nil {
		_ = a.printLine(keyLine{k.ID, k.Secret}) // serving matters more
	}
}

// announce says where the doors are.
func (a *app) announce(g *gateway.Gateway) {
	at := g.Addresses()
	if a.json() {
		_ = a.printLine(at) // serving matters more
		return
	}
	for _, door := range [][2]string{{"Kinesis API", link("http://", at.API)}, {"MQTT", link("mqtt://", at.MQTT)}, {"MQTT over TLS", link("mqtts://", at.MQTTS)}, {"over TLS", link("https://", at.APITLS)}, {"health, metrics", link("http://", at.Console)},
		{"cameras", link("https://", at.HTTPS)}, {"media", at.Media}, {"collect", link("http://", at.Collect)}, {"syslog", at.Syslog}, {"peers", at.Peer}} {
		if door[1] != "" {
			fmt.Fprintf(a.term.out, "%-16s %s\n", door[0], door[1])
		}
	}
	fmt.Fprintln(a.term.out, "ready")
}

func link(scheme, address string) string {
	if address == "" {
		return ""
	}
	return scheme + address
}
