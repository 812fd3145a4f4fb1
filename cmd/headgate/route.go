package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) route() *cobra.Command {
	cmd := &cobra.Command{
		Use: "route", Short: "From topics to streams", Args: known,
		Example: "  headgate route test --config headgate.yaml --topic site/7/temp",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.routeTest())
	return cmd
}

// trial is a message to be tried, as the command line gives it.
type trial struct {
	gateway.Message
	payload string
	user    []string
}

func (a *app) routeTest() *cobra.Command {
	var file string
	var t trial
	cmd := &cobra.Command{
		Use:   "test --topic TOPIC",
		Short: "Say where a message would go",
		Long: `Say to which stream and under which partition key the routes of a configuration
would lead a message. No gateway is asked; auto_create's max is not looked at.`,
		Example: `  headgate route test --config headgate.yaml --topic site/7/temp --client sensor-1
  headgate route test --config headgate.yaml --topic up --payload '{"site":"north"}' --client c
  headgate route test --config headgate.yaml --topic spBv1.0/g/NDATA/e --payload @ndata.bin --client e`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := gateway.Load(file, os.LookupEnv, nil)
			if err != nil {
				return usageError{err}
			}
			m, err := t.message()
			if err != nil {
				return err
			}
			r, err := c.Try(m)
			if err != nil {
				return err
			}
			return a.showRoute(r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "YAML file of settings")
	f.StringVar(&t.Topic, "topic", "", "topic of the message")
	f.StringVar(&t.ClientID, "client", "client", "client id of the device")
	f.StringVar(&t.Username, "username", "", "user name of the device")
	f.StringVar(&t.payload, "payload", "", "payload, or @FILE")
	f.Uint8Var(&t.QoS, "qos", 1, "QoS, 0 to 2")
	f.StringArrayVar(&t.user, "user", nil, "user property, NAME=VALUE; may be given again")
	return cmd
}

// message reads what the flags stand for.
func (t *trial) message() (gateway.Message, error) {
	m := t.Message
	switch {
	case m.Topic == "":
		return m, usageError{errors.New("--topic: say which topic the message has")}
	case m.QoS > 2:
		return m, usageError{fmt.Errorf("--qos: %d is none: 0, 1 or 2", m.QoS)}
	}
	for _, u := range t.user {
		name, value, ok := strings.Cut(u, "=")
		if !ok {
			return m, usageError{fmt.Errorf("--user: %q is no NAME=VALUE", u)}
		}
		m.User = append(m.User, [2]string{name, value})
	}
	m.Payload = []byte(t.payload)
	if name, ok := strings.CutPrefix(t.payload, "@"); ok {
		var err error
		if m.Payload, err = os.ReadFile(name); err != nil {
			return m, fmt.Errorf("read payload: %w", err)
		}
	}
	return m, nil
}

func (a *app) showRoute(r gateway.Routed) error {
	if a.json() {
		return a.printJSON(r)
	}
	if r.Refused {
		return a.tell("refused\n")
	}
	fanout := "sent to subscribers"
	if !r.Fanout {
		fanout = "recorded only"
	}
	rows := [][2]string{{"route", r.Route}, {"stream", r.Stream}, {"key", r.Key}, {"fanout", fanout}}
	for _, n := range r.Notes {
		rows = append(rows, [2]string{"note", n})
	}
	return a.fields(rows)
}
