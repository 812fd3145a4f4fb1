package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) keys() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:   "keys",
		Short: "List, create and revoke key pairs of the AWS APIs",
		Long: `List, create and revoke the key pairs that the AWS APIs accept. A running gateway
takes a change at once; secrets are shown only when they are made.`,
		Example: "  headgate keys\n  headgate keys create\n  headgate keys revoke AKIAIOSFODNN7EXAMPLE",
		Args:    known,
		RunE:    func(*cobra.Command, []string) error { return a.keysList() },
	})
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "List the ids of the key pairs", Args: noArgs, Example: "  headgate keys list -o json",
		RunE: func(*cobra.Command, []string) error { return a.keysList() },
	}, &cobra.Command{
		Use: "create", Short: "Make a key pair and show it, once", Args: noArgs, Example: "  headgate keys create",
		RunE: func(cmd *cobra.Command, _ []string) error {
			pair, err := gateway.CreateKey(cmd.Context(), a.data)
			if pair.ID == "" {
				return err
			}
			if a.json() {
				_ = a.printLine(keyLine{pair.ID, pair.Secret}) // the error below matters more
				return err
			}
			fmt.Fprintf(a.term.out, "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n", pair.ID, pair.Secret)
			return err
		},
	}, &cobra.Command{
		Use: "revoke ID", Short: "Accept a key pair no longer", Args: exactArgs(1), Example: "  headgate keys revoke AKIAIOSFODNN7EXAMPLE",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := gateway.RevokeKey(cmd.Context(), a.data, args[0]); err != nil {
				return err
			}
			if !a.json() {
				fmt.Fprintf(a.term.out, "%s is revoked\n", args[0])
			}
			return nil
		},
	})
	return cmd
}

// keyLine is a key pair as -o json prints it, without its secret in lists.
type keyLine struct {
	ID     string `json:"accessKeyId"`
	Secret string `json:"secretAccessKey,omitempty"`
}

func (a *app) keysList() error {
	ids, err := gateway.Keys(a.data)
	if err != nil {
		return err
	}
	if a.json() {
		lines := []keyLine{}
		for _, id := range ids {
			lines = append(lines, keyLine{ID: id})
		}
		return a.printJSON(lines)
	}
	if len(ids) == 0 {
		_, err := fmt.Fprintf(a.term.out, "there are no keys on %s yet: the first start of a gateway makes one\n", a.data)
		return err
	}
	for _, id := range ids {
		fmt.Fprintln(a.term.out, id)
	}
	return nil
}
