package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) streams() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:   "streams",
		Short: "List, make, describe and delete streams",
		Example: `  headgate streams
  headgate streams create metrics --shards 8 --retention 7d
  headgate streams describe metrics
  headgate streams retention metrics 30d
  headgate streams split metrics 0
  headgate streams merge metrics 1 2
  headgate streams delete metrics`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(s.Streams)
			}
			return a.streamTable(s.Streams)
		},
	})
	cmd.AddCommand(a.streamsCreate(), a.streamsDescribe(), a.streamsDelete(), a.streamsRetention(), a.streamsSplit(), a.streamsMerge())
	return cmd
}

func (a *app) streamsCreate() *cobra.Command {
	var spec gateway.StreamSpec
	cmd := &cobra.Command{
		Use: "create STREAM", Short: "Make a stream", Args: exactArgs(1),
		Example: "  headgate streams create metrics --shards 8 --retention 7d",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.client().CreateStream(cmd.Context(), args[0], spec)
			return a.showStream(d, err)
		},
	}
	cmd.Flags().IntVar(&spec.Shards, "shards", 0, "number of shards, each 1 MiB and 1,000 records a second (default 4)")
	cmd.Flags().StringVar(&spec.Retention, "retention", "", "how long records stay readable, 24h to 365d (default 24h)")
	cmd.Flags().StringVar(&spec.Record, "record", "", "the largest record, 1MiB to 10MiB (default 1MiB)")
	return cmd
}

func (a *app) streamsDescribe() *cobra.Command {
	return &cobra.Command{
		Use: "describe STREAM", Short: "Show a stream with its shards", Args: exactArgs(1),
		Example: "  headgate streams describe telemetry",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.client().Stream(cmd.Context(), args[0])
			return a.showStream(d, err)
		},
	}
}

func (a *app) streamsDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete STREAM", Short: "Delete a stream and its records", Args: exactArgs(1),
		Example: "  headgate streams delete metrics",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().DeleteStream(cmd.Context(), args[0]); err != nil {
				return err
			}
			if !a.json() {
				fmt.Fprintf(a.term.out, "%s is deleted\n", args[0])
			}
			return nil
		},
	}
}

func (a *app) streamsRetention() *cobra.Command {
	return &cobra.Command{
		Use: "retention STREAM SPAN", Short: "Change how long records stay readable", Args: exactArgs(2),
		Example: "  headgate streams retention metrics 30d",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.client().SetRetention(cmd.Context(), args[0], args[1])
			return a.showStream(d, err)
		},
	}
}

// retention is a span that crossed the socket, as people say it.
func retention(text string) string {
	if d, err := time.ParseDuration(text); err == nil {
		return span(d)
	}
	return text
}

func (a *app) showStream(d gateway.StreamDetail, err error) error {
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(d)
	}
	fmt.Fprintf(a.term.out, "%s, made %s, retention %s\n", d.Name, timeText(d.Created), retention(d.Retention))
	var rows [][]string
	for _, s := range d.Shards {
		state := "open"
		if s.Closed {
			state = "closed"
		}
		rows = append(rows, []string{s.ID, state, count(s.Records), s.From, s.To})
	}
	return a.table("SHARD STATE RECORDS FROM TO", rows)
}
