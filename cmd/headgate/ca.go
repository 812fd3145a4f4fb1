package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

// trustFile is where Debian and its kin look for authorities to trust.
const trustFile = "/usr/local/share/ca-certificates/headgate.crt"

func (a *app) ca() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:   "ca",
		Short: "Print the authority that signs for TLS, or have this box trust it",
		Long: `The API over TLS (--api-tls) and the console over TLS (--https) have a certificate
that the gateway's own authority signs, unless the configuration names another.
Clients trust it when they know the authority: AWS_CA_BUNDLE and
NODE_EXTRA_CA_CERTS name a file of it, Java wants it in a key store.`,
		Example: `  headgate ca > headgate-ca.pem
  AWS_CA_BUNDLE=headgate-ca.pem aws --endpoint-url https://127.0.0.1:4568 kinesis list-streams
  sudo headgate ca install`,
		Args: known,
		RunE: func(*cobra.Command, []string) error {
			text, err := gateway.Authority(a.data)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(map[string]string{"certificate": string(text), "file": gateway.AuthorityFile(a.data)})
			}
			_, err = a.term.out.Write(text)
			return err
		},
	})
	cmd.AddCommand(&cobra.Command{
		Use: "install", Short: "Have this box trust the authority (root, Debian and its kin)", Args: noArgs, Example: "  sudo headgate ca install",
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := gateway.Authority(a.data)
			if err != nil {
				return err
			}
			update, err := exec.LookPath("update-ca-certificates")
			if err != nil {
				return errors.New("this box has no update-ca-certificates: write the output of `headgate ca` where its system looks for authorities")
			}
			if err := os.WriteFile(trustFile, text, 0o644); err != nil {
				return err
			}
			if out, err := exec.CommandContext(cmd.Context(), update).CombinedOutput(); err != nil {
				return fmt.Errorf("update-ca-certificates: %w: %s", err, out)
			}
			_, err = fmt.Fprintf(a.term.out, "trusted by this box: %s\n", trustFile)
			return err
		},
	})
	return cmd
}
