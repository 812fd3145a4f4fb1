package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) rules() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:     "rules",
		Aliases: []string{"rule"},
		Short:   "Make, try, list and delete rules over what devices publish",
		Long: `A rule is SQL of AWS IoT over topics, and what is done with its output: it is
put into a stream of the site, or published under another topic. To get it to a
cloud, make a delivery of that stream. An action that does not succeed is tried
again, from where it was, until it does; each message is done once. Rules are
kept by the whole site and outlive restarts.`,
		Example: `  headgate rules create hot --sql "SELECT *, topic(2) AS room FROM 'site/+/temp' WHERE celsius > 80" --kinesis alarms
  headgate rules test --sql "SELECT celsius FROM 'site/+/temp'" --topic site/7/temp --payload '{"celsius": 81}'
  headgate rules list
  headgate rules delete hot`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.ruleList(cmd) },
	})
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "Show what rules do, how far they are, and what is wrong", Args: noArgs,
		Example: "  headgate rules list\n  headgate rules list -o json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.ruleList(cmd) },
	}, a.ruleDescribe(), a.ruleCreate(), a.ruleTest(),
		a.ruleOrder("disable", "Stop a rule; what is published meanwhile it never sees", "is disabled", (*gateway.Client).DisableRule),
		a.ruleOrder("enable", "Have a disabled rule see what comes from now on", "is enabled", (*gateway.Client).EnableRule),
		a.ruleOrder("delete", "End a rule; what it has stored stays", "is deleted", (*gateway.Client).DeleteRule))
	return cmd
}

func (a *app) ruleList(cmd *cobra.Command) error {
	all, err := a.client().Rules(cmd.Context())
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(all)
	}
	if len(all) == 0 {
		return a.tell("there are no rules: make one with headgate rules create NAME --sql SQL --kinesis STREAM\n")
	}
	return a.ruleTable(all)
}

func (a *app) ruleTable(all []gateway.RuleStatus) error {
	var rows [][]string
	for _, r := range all {
		if len(r.Actions) == 0 {
			rows = append(rows, []string{r.Name, r.State, "", "", "", "", "", "", r.Fault})
		}
		for _, one := range r.Actions {
			rows = append(rows, []string{r.Name, r.State, one.Action + " " + one.Target, count(one.Matched), count(one.Passed), count(one.Failed), count(one.LagRecords), span(one.LagAge), one.LastError})
		}
	}
	return a.table("RULE STATE ACTION MATCHED PASSED FAILED LAG AGE ERROR", rows)
}

func (a *app) ruleDescribe() *cobra.Command {
	return &cobra.Command{
		Use: "describe NAME", Short: "Show a rule", Args: exactArgs(1),
		Example: "  headgate rules describe hot\n  headgate rules describe hot -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.client().Rule(cmd.Context(), args[0])
			return a.showRule(r, err)
		},
	}
}

func (a *app) showRule(r gateway.RuleStatus, err error) error {
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(r)
	}
	rows := [][2]string{{"rule", r.Name + ", made " + timeText(r.Created)}, {"sql", r.SQL}, {"state", r.State}}
	if r.Kinesis != nil {
		key := r.Kinesis.Key
		if key == "" {
			key = "${clientid()}"
		}
		rows = append(rows, [2]string{"to stream", string(r.Kinesis.Stream) + ", by " + key})
	}
	if r.Republish != nil {
		rows = append(rows, [2]string{"to topic", fmt.Sprintf("%s, QoS %d", r.Republish.Topic, r.Republish.QoS)})
	}
	if r.Errors != "" {
		rows = append(rows, [2]string{"errors to", string(r.Errors)})
	}
	for _, one := range r.Actions {
		rows = append(rows, [2]string{one.Action, fmt.Sprintf("%s seen, %s done, %s failed, %s given up before, %s behind (%s)",
			count(one.Matched), count(one.Passed), count(one.Failed), count(one.Missed), count(one.LagRecords), span(one.LagAge))})
		if one.LastError != "" {
			rows = append(rows, [2]string{"waits", one.LastError})
		}
	}
	if r.Fault != "" {
		rows = append(rows, [2]string{"fault", r.Fault})
	}
	return a.fields(rows)
}

func (a *app) ruleCreate() *cobra.Command {
	var rule gateway.Rule
	var kinesis, topic, failures string
	var qos uint8
	cmd := &cobra.Command{
		Use: "create NAME --sql SQL", Short: "Make a rule; it sees what comes from now on", Args: exactArgs(1),
		Long: `Make a rule. The partition key and the topic are templates of AWS IoT:
${clientid()}, ${topic(2)}, ${any.expression}. Without FROM a rule is for Basic
Ingest alone: messages to $aws/rules/NAME/any/topic come to it and to no
subscriber.`,
		Example: `  headgate rules create hot --sql "SELECT *, topic(2) AS room FROM 'site/+/temp' WHERE celsius > 80" --kinesis alarms
  headgate rules create rooms --sql "SELECT celsius FROM 'site/+/temp'" --kinesis 'rooms:${topic(2)}' --error-stream rooms.errors
  headgate rules create siren --sql "SELECT 'on' AS siren FROM 'site/+/smoke'" --republish 'cmd/${topic(2)}/siren' --qos 1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if rule.SQL == "" {
				return usageError{errors.New("--sql: say what the rule selects")}
			}
			rule.Name = args[0]
			if kinesis != "" {
				stream, key, _ := strings.Cut(kinesis, ":")
				rule.Kinesis = &gateway.RuleKinesis{Key: key}
				setName(&rule.Kinesis.Stream, stream)
			}
			if topic != "" {
				rule.Republish = &gateway.RuleRepublish{Topic: topic, QoS: qos}
			}
			setName(&rule.Errors, failures)
			r, err := a.client().CreateRule(cmd.Context(), rule)
			return a.showRule(r, err)
		},
	}
	cmd.Flags().StringVar(&rule.SQL, "sql", "", "SELECT … FROM 'topic/filter' WHERE …")
	cmd.Flags().StringVar(&kinesis, "kinesis", "", "stream for the output, and after a colon the template of its partition key")
	cmd.Flags().StringVar(&topic, "republish", "", "template of the topic under which the output is published")
	cmd.Flags().Uint8Var(&qos, "qos", 0, "with which QoS")
	cmd.Flags().StringVar(&failures, "error-stream", "", "stream for messages that the rule cannot be applied to")
	return cmd
}

// setName sets a name of any type.
func setName[T ~string](to *T, name string) { *to = T(name) }

func (a *app) ruleOrder(use, short, told string, do func(c *gateway.Client, ctx context.Context, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " NAME", Short: short, Args: exactArgs(1),
		Example: "  headgate rules " + use + " hot",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := do(a.client(), cmd.Context(), args[0]); err != nil {
				return err
			}
			return a.tell("%s %s\n", args[0], told)
		},
	}
}

// maxPayload is more than a message may have.
const maxPayload = 16 << 20

func (a *app) ruleTest() *cobra.Command {
	var sql, payload string
	m := gateway.RuleMessage{Topic: "test", Client: "test"}
	cmd := &cobra.Command{
		Use: "test --sql SQL --payload JSON", Short: "Apply SQL to a message and print what comes out; needs no gateway", Args: noArgs,
		Example: `  headgate rules test --sql "SELECT celsius * 9 / 5 + 32 AS fahrenheit FROM 'site/+/temp'" --topic site/7/temp --payload '{"celsius": 81}'
  headgate rules test --sql "SELECT * FROM 'a'" --topic a --payload - < message.json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sql == "" {
				return usageError{errors.New("--sql: say what the rule selects")}
			}
			m.Payload, m.Arrived = []byte(payload), time.Now()
			if payload == "-" {
				text, err := io.ReadAll(io.LimitReader(a.term.in, maxPayload))
				if err != nil {
					return err
				}
				m.Payload = text
			}
			r, err := gateway.TryRule(sql, m)
			switch {
			case err != nil:
				return err
			case !r.Matched:
				return quietError{a.complain("the topic %s does not lie under FROM: the rule does not see the message\n", m.Topic)}
			case !r.Passed:
				return quietError{a.complain("WHERE is not true: nothing comes out\n")}
			}
			_, err = fmt.Fprintf(a.term.out, "%s\n", r.Output)
			return err
		},
	}
	cmd.Flags().StringVar(&sql, "sql", "", "SELECT … FROM 'topic/filter' WHERE …")
	cmd.Flags().StringVar(&m.Topic, "topic", m.Topic, "under which the message is published")
	cmd.Flags().StringVar(&m.Client, "client", m.Client, "id of the client that publishes it")
	cmd.Flags().StringVar(&payload, "payload", "{}", "of the message, - for the input")
	return cmd
}

// complain says on standard error why nothing comes out.
func (a *app) complain(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	fmt.Fprint(a.term.err, text)
	return errors.New(strings.TrimSpace(text))
}
