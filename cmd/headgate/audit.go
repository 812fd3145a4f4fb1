package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) audit() *cobra.Command {
	q := gateway.TailQuery{}
	cmd := a.withData(&cobra.Command{
		Use:   "audit",
		Short: "Show who changed and looked at what, and what was denied",
		Long: `Show the calls of the AWS APIs that look at streams and change them, changes of
keys, and all calls that were denied. Calls that are alike are told once a minute
with their number. It is the stream _audit, which is kept for 90 days and can be
read, followed and delivered like any other.`,
		Example: "  headgate audit\n  headgate audit --from 7d -o json | jq 'select(.outcome != \"ok\")'\n  headgate audit -f",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := a.client().Audit(cmd.Context(), q, a.showAudit)
			if q.Follow && errors.Is(err, context.Canceled) {
				return nil // that is how following ends
			}
			return err
		},
	})
	cmd.Flags().StringVar(&q.From, "from", "24h", "trim-horizon, latest, a time or a span such as 10m")
	cmd.Flags().BoolVarP(&q.Follow, "follow", "f", false, "go on with what comes")
	return cmd
}

func (a *app) showAudit(l gateway.AuditLine) error {
	if a.json() {
		return a.printLine(l)
	}
	more := ""
	if l.Count > 0 {
		more = fmt.Sprintf(" (%d more)", l.Count)
	}
	if l.Skew {
		more += " (skew unchecked)"
	}
	who := l.User
	if l.Key != "" && l.Key != l.User {
		who = strings.TrimSpace(who + " " + l.Key)
	}
	text := fmt.Sprintf("%s  %s  %s  %s  %s  %s%s", timeText(l.At), l.Action, l.Outcome, or(l.Resource), or(who), or(l.Source), more)
	_, err := fmt.Fprintln(a.term.out, legible([]byte(text)))
	return err
}

func or(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
