package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) keys() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:   "keys",
		Short: "List, create, rotate and delete access keys of the AWS APIs, and say what each may do",
		Long: `List, create, rotate and delete the access keys that the AWS APIs accept, and say
with a policy of AWS's form what each may do. A key without one may do everything.
A running gateway takes a change at once, the others of its site within a second
or two; secrets are shown only when they are made.`,
		Example: `  headgate keys
  headgate keys create --name press-7 --policy press.json
  headgate keys rotate press-7 --overlap 48h
  headgate keys disable AKIAIOSFODNN7EXAMPLE
  headgate keys policy set press-7 press.json`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keysList(cmd) },
	})
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "List the keys", Args: noArgs, Example: "  headgate keys list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keysList(cmd) },
	}, a.keysCreate(), a.keysRotate(), a.keysPolicy(),
		a.keysChange(gateway.KeyDisable, "Accept a key no longer, until it is enabled", "is disabled"),
		a.keysChange(gateway.KeyEnable, "Accept a disabled key again", "is enabled"),
		a.keysChange(gateway.KeyDelete, "Accept a key no longer, for good", "is deleted", "revoke"))
	return cmd
}

func (a *app) keysCreate() *cobra.Command {
	c, file := gateway.KeyChange{Do: gateway.KeyCreate}, ""
	cmd := &cobra.Command{
		Use: "create", Short: "Make a key and show its secret, once", Args: noArgs,
		Long: `Make a key and show its secret, once. With --policy it may do only what the file
allows: a policy as AWS has them, with Action, Resource and Condition.`,
		Example: `  headgate keys create --name press-7 --policy press.json
  headgate keys create --expires 12h
  echo '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Action": ["kinesis:PutRecord*", "kinesis:ListShards"], "Resource": "arn:aws:kinesis:*:*:stream/press-*",
    "Condition": {"IpAddress": {"aws:SourceIp": "192.168.7.0/24"}}}]}' | headgate keys create --policy -`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if file != "" {
				if c.Policy, err = a.readPolicy(file); err != nil {
					return err
				}
			}
			made, err := gateway.ChangeKeys(cmd.Context(), a.data, c)
			if err != nil {
				return err
			}
			return a.showPair(made)
		},
	}
	cmd.Flags().StringVar(&c.Name, "name", "", "what the key is called in policies (aws:username) and in the audit (default: its id)")
	cmd.Flags().StringVar(&file, "policy", "", "file with what it may do, - for standard input (default: everything)")
	cmd.Flags().DurationVar(&c.For, "expires", 0, "how long it is good, such as 12h (default: for ever)")
	return cmd
}

func (a *app) keysRotate() *cobra.Command {
	c := gateway.KeyChange{Do: gateway.KeyRotate}
	cmd := &cobra.Command{
		Use: "rotate KEY", Short: "Make a second key like this one, which then ends", Args: exactArgs(1),
		Long: `Make a second key of the same name and policy and show its secret, once. Both are
good until the overlap is over; then the old one ends by itself.`,
		Example: "  headgate keys rotate press-7\n  headgate keys rotate AKIAIOSFODNN7EXAMPLE --overlap 0s",
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Key = args[0]
			made, err := gateway.ChangeKeys(cmd.Context(), a.data, c)
			if err != nil {
				return err
			}
			return a.showPair(made)
		},
	}
	cmd.Flags().DurationVar(&c.For, "overlap", 24*time.Hour, "how much longer the old key is good")
	return cmd
}

// keysChange is a command that does one thing to one key.
func (a *app) keysChange(do, short, done string, aliases ...string) *cobra.Command {
	return &cobra.Command{
		Use: do + " KEY", Short: short, Args: exactArgs(1), Aliases: aliases, Example: "  headgate keys " + do + " AKIAIOSFODNN7EXAMPLE",
		RunE: func(cmd *cobra.Command, args []string) error {
			made, err := gateway.ChangeKeys(cmd.Context(), a.data, gateway.KeyChange{Do: do, Key: args[0]})
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(made.Key)
			}
			_, err = fmt.Fprintf(a.term.out, "%s %s\n", made.ID, done)
			return err
		},
	}
}

func (a *app) keysPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use: "policy", Short: "Show or set what a key may do", Args: known,
		Example: "  headgate keys policy get press-7\n  headgate keys policy set press-7 press.json\n  headgate keys policy set press-7 --none",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	none := false
	set := &cobra.Command{
		Use: "set KEY [FILE]", Short: "Set what all keys of a name may do", Args: usage(cobra.RangeArgs(1, 2)),
		Example: "  headgate keys policy set press-7 press.json\n  headgate keys policy set press-7 --none    # everything",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if none == (len(args) == 2) {
				return usageError{fmt.Errorf("name the file of the policy, or write --none: the key may then do everything\nusage: %s", cmd.UseLine())}
			}
			c := gateway.KeyChange{Do: gateway.KeySetPolicy, Key: args[0]}
			if !none {
				if c.Policy, err = a.readPolicy(args[1]); err != nil {
					return err
				}
			}
			made, err := gateway.ChangeKeys(cmd.Context(), a.data, c)
			if err != nil || a.json() {
				return err
			}
			_, err = fmt.Fprintf(a.term.out, "the policy of %s is set\n", made.Name)
			return err
		},
	}
	set.Flags().BoolVar(&none, "none", false, "take the policy away: the key may do everything")
	cmd.AddCommand(set, &cobra.Command{
		Use: "get KEY", Short: "Show what a key may do", Args: exactArgs(1), Example: "  headgate keys policy get press-7",
		RunE: func(cmd *cobra.Command, args []string) error { return a.showPolicy(cmd, args[0]) },
	})
	return cmd
}

func (a *app) showPolicy(cmd *cobra.Command, which string) error {
	all, err := gateway.Keys(cmd.Context(), a.data)
	if err != nil {
		return err
	}
	for _, key := range all {
		switch {
		case key.ID != which && key.Name != which:
		case len(key.Policy) > 0:
			return a.printJSON(key.Policy)
		case a.json():
			return a.printJSON(json.RawMessage("null"))
		default:
			_, err := fmt.Fprintf(a.term.out, "%s has no policy: it may do everything\n", key.Name)
			return err
		}
	}
	return fmt.Errorf("%s is no key here: headgate keys lists them", which)
}

func (a *app) readPolicy(file string) (string, error) {
	if file == "-" {
		text, err := io.ReadAll(io.LimitReader(a.term.in, maxPolicyRead))
		return string(text), err
	}
	text, err := os.ReadFile(file)
	if err == nil && len(text) == 0 {
		err = fmt.Errorf("%s is empty", file)
	}
	return string(text), err
}

// maxPolicyRead bounds what is read of standard input.
const maxPolicyRead = 64 << 10

// keyLine is a new pair as -o json prints it.
type keyLine struct {
	ID     string `json:"accessKeyId"`
	Secret string `json:"secretAccessKey,omitempty"`
}

func (a *app) showPair(made gateway.KeyMade) error {
	if a.json() {
		return a.printLine(made)
	}
	_, err := fmt.Fprintf(a.term.out, "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n", made.ID, made.Secret)
	return err
}

func (a *app) keysList(cmd *cobra.Command) error {
	all, err := gateway.Keys(cmd.Context(), a.data)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintf(a.term.out, "there are no keys on %s yet: the first start of a gateway makes one\n", a.data)
		return err
	}
	var rows [][]string
	for _, k := range all {
		may := "everything"
		if len(k.Policy) > 0 {
			may = "policy"
		}
		rows = append(rows, []string{k.ID, k.Name, k.State, may, timeText(k.Created), timeText(k.Ends)})
	}
	return a.table("KEY NAME STATE MAY CREATED ENDS", rows)
}
