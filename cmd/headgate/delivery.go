package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) delivery() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:   "delivery",
		Short: "List, make, test, pause and delete deliveries",
		Long: `A delivery carries a stream to a sink: a bucket, a folder. Those of the
configuration file stay as they stand there; those made here, or by the
Firehose API, are kept by the whole site, begin at once and outlive restarts.`,
		Example: `  headgate delivery list
  headgate delivery create -f lake.yaml
  headgate delivery test lake
  headgate delivery show lake
  headgate delivery delete lake`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.deliveryList(cmd) },
	})
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "Show what is delivered, how far, and what is wrong", Args: noArgs,
		Example: "  headgate delivery list\n  headgate delivery list -o json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.deliveryList(cmd) },
	}, a.deliveryShow(), a.deliveryCreate(), a.deliveryDelete(), a.deliveryTest(), a.deliveryPause(), a.deliveryResume(), a.deliverySeek())
	return cmd
}

func (a *app) deliveryList(cmd *cobra.Command) error {
	all, err := a.client().Deliveries(cmd.Context())
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(a.term.out, "there are no deliveries: make one with headgate delivery create -f FILE")
		return err
	}
	if err := a.deliveryTable(all); err != nil {
		return err
	}
	for _, d := range all {
		if d.Advice != "" {
			fmt.Fprintf(a.term.out, "! %s: %s\n", d.Name, d.Advice)
		}
	}
	return nil
}

func (a *app) deliveryShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a delivery", Args: exactArgs(1),
		Example: "  headgate delivery show lake\n  headgate delivery show lake -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.client().Delivery(cmd.Context(), args[0])
			return a.showDelivery(d, err)
		},
	}
}

func (a *app) showDelivery(d gateway.DeliveryDetail, err error) error {
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(d)
	}
	state := d.State
	if !d.NextTry.IsZero() {
		state += ", next try " + timeText(d.NextTry)
	}
	origin := "configuration file"
	if d.Origin != "file" {
		origin = "made " + timeText(d.Created)
	}
	rows := [][2]string{
		{"delivery", d.Name + ", " + origin},
		{"from", d.Stream}, {"to", d.Sink}, {"state", state},
		{"lag", fmt.Sprintf("%s records, the oldest %s old, %d batches on their way", count(d.LagRecords), span(d.LagAge), d.Sealed)},
		{"delivered", fmt.Sprintf("%s records in %s objects, %s", count(d.Records), count(d.Objects), bytesText(d.Bytes))},
		{"not delivered", fmt.Sprintf("%s refused, %s gone before", count(d.Refused), count(d.Missing))},
	}
	if d.Filtered > 0 {
		rows = append(rows, [2]string{"filtered", count(d.Filtered) + " records of which the transform made nothing"})
	}
	if d.Dropped > 0 {
		rows = append(rows, [2]string{"dropped", count(d.Dropped) + " records that had waited too long"})
	}
	if d.ETA > 0 {
		rows = append(rows, [2]string{"drained in", fmt.Sprintf("about %s, at the pace of the last minute; about %s wait", span(d.ETA), bytesText(d.LagBytes))})
	}
	if tried := attemptsText(d.Attempts); tried != "" {
		rows = append(rows, [2]string{"attempts", tried})
	}
	if d.Sent > 0 {
		rows = append(rows, [2]string{"on the wire", bytesText(uint64(d.Sent)) + " sent since the start"})
	}
	if d.LastError != "" {
		rows = append(rows, [2]string{"error", d.LastError})
	}
	if d.Advice != "" {
		rows = append(rows, [2]string{"advice", d.Advice})
	}
	if err := a.fields(rows); err != nil {
		return err
	}
	if d.Document != "" {
		fmt.Fprintf(a.term.out, "\n%s\n", d.Document)
	}
	return nil
}

// attemptsText is what did not go at once, "" when all did.
func attemptsText(a gateway.Attempts) string {
	var all []string
	for _, class := range slices.Sorted(maps.Keys(a.Retries)) {
		all = append(all, fmt.Sprintf("%s %s", count(a.Retries[class]), class))
	}
	if a.Already > 0 {
		all = append(all, count(a.Already)+" there before")
	}
	if a.Bisects > 0 {
		all = append(all, count(a.Bisects)+" batches halved")
	}
	return strings.Join(all, ", ")
}

// maxDelivery is more than a delivery may have.
const maxDelivery = 128 << 10

func (a *app) deliveryCreate() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "create -f FILE", Short: "Make a delivery; it begins at once", Args: noArgs,
		Long: `Make a delivery from a file of YAML: what would stand under deliveries in the
configuration file. Secrets are named, not written: {file: PATH}, {env: NAME}
or {credential: NAME} (systemd). All gateways of the site must find them.`,
		Example: `  headgate delivery create -f lake.yaml
  headgate delivery create -f - <<.
  name: lake
  stream: telemetry
  interval: 1m
  s3: {bucket: lake, region: eu-central-1, access_key: {env: LAKE_KEY}, secret_key: {file: /etc/lake-secret}}
  .`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usageError{errors.New("-f FILE: say where the delivery stands, - for the input")}
			}
			in := a.term.in
			if file != "-" {
				f, err := os.Open(file)
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			text, err := io.ReadAll(io.LimitReader(in, maxDelivery))
			if err != nil {
				return err
			}
			d, err := a.client().CreateDelivery(cmd.Context(), string(text))
			return a.showDelivery(d, err)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "YAML of the delivery, - for the input")
	return cmd
}

func (a *app) deliveryDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "End a delivery and forget how far it got", Args: exactArgs(1),
		Long: `End a delivery and forget how far it got. What it kept on the disk beyond the
stream's retention goes. A stream that the Firehose API made for it goes too.`,
		Example: "  headgate delivery delete lake",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().DeleteDelivery(cmd.Context(), args[0]); err != nil {
				return err
			}
			return a.tell("%s is being deleted\n", args[0])
		},
	}
}

func (a *app) deliveryTest() *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Ask a delivery's destination whether it would take records", Args: exactArgs(1),
		Long: `Ask a delivery's destination, from this gateway, whether it can be reached,
exists and takes our credentials. Nothing is delivered.`,
		Example: "  headgate delivery test lake",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.client().TestDelivery(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json() {
				err = a.printJSON(r)
			} else if r.OK {
				err = a.tell("%s would deliver to %s (%s)\n", r.Name, r.Sink, r.Took.Round(time.Millisecond))
			} else {
				err = a.tell("%s would not deliver: %s: %s\n! %s\n", r.Name, r.Class, r.Error, r.Advice)
			}
			if err == nil && !r.OK {
				return quietError{errors.New("the destination would not take records")}
			}
			return err
		},
	}
}
