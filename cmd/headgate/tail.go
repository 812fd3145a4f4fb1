package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) tail() *cobra.Command {
	q := gateway.TailQuery{}
	cmd := a.withData(&cobra.Command{
		Use:   "tail STREAM",
		Short: "Read a stream's records",
		Example: `  headgate tail telemetry -f
  headgate tail telemetry --from 10m --key sensor-1
  headgate tail telemetry --from trim-horizon -o json | jq .data`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Stream = args[0]
			if q.From == "" {
				if q.From = "trim-horizon"; q.Follow {
					q.From = "latest"
				}
			}
			err := a.client().Tail(cmd.Context(), q, a.showRecord)
			if q.Follow && errors.Is(err, context.Canceled) {
				return nil // that is how following ends
			}
			return err
		},
	})
	cmd.Flags().StringVar(&q.From, "from", "", "trim-horizon, latest, a sequence number, a time or a span such as 10m (default: all; with -f: latest)")
	cmd.Flags().StringVar(&q.Shard, "shard", "", "one shard only, by number or id")
	cmd.Flags().StringVar(&q.Key, "key", "", "one partition key only")
	cmd.Flags().IntVarP(&q.Limit, "limit", "n", 0, "stop after so many records")
	cmd.Flags().BoolVarP(&q.Follow, "follow", "f", false, "go on with what comes")
	return cmd
}

func (a *app) showRecord(r gateway.TailRecord) error {
	if a.json() {
		return a.printLine(r)
	}
	if r.Gap != nil {
		_, err := fmt.Fprintf(a.term.out, "-- gap in %s: %s records were given up (%s)\n", r.Shard, count(r.Gap.Records), r.Gap.Reason)
		return err
	}
	_, err := fmt.Fprintf(a.term.out, "%s  %s  %s  %s\n", timeText(r.Arrived), strings.TrimPrefix(r.Shard, "shardId-00000000"), legible([]byte(r.Key)), legible(r.Data))
	return err
}

// legible is bytes as a terminal may show them: a device must not be able to
// send its reader's terminal commands.
func legible(data []byte) string {
	switch text := string(data); {
	case !utf8.Valid(data):
		return fmt.Sprintf("%x", data)
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\t' }):
		return strconv.Quote(text)
	default:
		return text
	}
}

// printLine prints a value on a line of its own.
func (a *app) printLine(v any) error { return json.NewEncoder(a.term.out).Encode(v) }

func (a *app) gaps() *cobra.Command {
	return a.withData(&cobra.Command{
		Use:     "gaps",
		Short:   "List records that were given up, and why",
		Example: "  headgate gaps\n  headgate gaps -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var rows [][]string
			err := a.client().Gaps(cmd.Context(), func(g gateway.GapDetail) error {
				if a.json() {
					return a.printLine(g)
				}
				rows = append(rows, []string{g.Stream, g.Shard, fmt.Sprint(g.First), fmt.Sprint(g.Last), count(g.Records), bytesText(g.Bytes), g.Reason, timeText(g.At)})
				return nil
			})
			if err != nil || a.json() {
				return err
			}
			if len(rows) == 0 {
				return a.noGaps(cmd.Context())
			}
			return a.table("STREAM SHARD FIRST LAST RECORDS BYTES REASON AT", rows)
		},
	})
}

// noGaps says that nothing was given up. What cannot be read is no gap: a
// peer, or a copy of the disk, may still have it.
func (a *app) noGaps(ctx context.Context) error {
	s, err := a.client().Status(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.term.out, "nothing was ever given up")
	if s.Log.SetAside > 0 {
		fmt.Fprintf(a.term.out, "but %d blocks cannot be read: see headgate verify\n", s.Log.SetAside)
	}
	return nil
}
