package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) status() *cobra.Command {
	var wait time.Duration
	cmd := a.withData(&cobra.Command{
		Use:   "status",
		Short: "Show how a gateway is doing",
		Example: `  headgate status
  headgate status --data /srv/headgate -o json
  headgate status --wait 10s    (in scripts: until it takes records)`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ask := a.client().Status
			if wait > 0 {
				ask = func(ctx context.Context) (gateway.Status, error) {
					late, cancel := context.WithTimeout(ctx, wait)
					defer cancel()
					return a.client().Await(late)
				}
			}
			s, err := ask(cmd.Context())
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(s)
			}
			return a.printStatus(s)
		},
	})
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait this long for the gateway to take records")
	return cmd
}

func (a *app) printStatus(s gateway.Status) error {
	state := "ready"
	if !s.Health.Ready {
		state = "not ready: " + s.Health.Why
	}
	offline := "not known yet"
	if s.Disk.Offline > 0 {
		offline = span(s.Disk.Offline)
	}
	rows := [][2]string{
		{"gateway", fmt.Sprintf("%s, up %s, %s", s.ID, span(time.Since(s.Since)), state)},
		{"doors", strings.TrimSpace(strings.Join([]string{link("api http://", s.Addresses.API), link("api https://", s.Addresses.APITLS), link("mqtt mqtt://", s.Addresses.MQTT), link("mqtts://", s.Addresses.MQTTS), link("console http://", s.Addresses.Console), link("https://", s.Addresses.HTTPS), link("media ", s.Addresses.Media)}, "  "))},
		{"records", fmt.Sprintf("%s stored since the start, %.0f a second, %s throttled", count(s.Log.Records), s.Log.RecordsASec, count(s.Log.Throttled))},
		{"commits", fmt.Sprintf("%s, %s each", count(s.Log.Commits), span(s.Log.CommitMean))},
		{"disk", fmt.Sprintf("%s stored, budget %s, %s free on the volume", bytesText(s.Disk.Stored), bytesText(s.Disk.Budget), bytesText(s.Disk.Free))},
		{"wear", fmt.Sprintf("%s written, %.2f bytes for each that came in, %.4f syncs a record", bytesText(s.Disk.Written), s.Disk.PerByte, s.Disk.PerRecord)},
		{"may stay offline", offline},
		{"clock", fmt.Sprintf("%s, stamps %s", s.Clock.Mark, timeText(s.Clock.Stamp))},
		{"gaps", count(s.Log.Gaps)},
	}
	if s.Site != nil {
		rows = append(rows, [2]string{"site", siteText(*s.Site)})
		rows = append(rows, spoolRows(*s.Site)...)
	}
	if text := uplinkText(s.Uplink); text != "" && len(s.Deliveries) > 0 {
		rows = append(rows, [2]string{"uplink", text})
	}
	if s.MQTT != nil {
		rows = append(rows, [2]string{"mqtt", fmt.Sprintf("%d connected, %s received, %s acknowledged", s.MQTT.Connections, count(s.MQTT.Received), count(s.MQTT.Acked))})
	}
	if text := camerasText(s); text != "" {
		rows = append(rows, [2]string{"cameras", text})
	}
	if err := a.fields(rows); err != nil {
		return err
	}
	for _, w := range s.Warnings {
		fmt.Fprintln(a.term.out, "!", w)
	}
	fmt.Fprintln(a.term.out)
	if s.Site != nil {
		if err := a.siteTable(*s.Site); err != nil {
			return err
		}
		fmt.Fprintln(a.term.out)
	}
	if err := a.streamTable(s.Streams); err != nil {
		return err
	}
	if len(s.Rules) > 0 {
		fmt.Fprintln(a.term.out)
		if err := a.ruleTable(s.Rules); err != nil {
			return err
		}
	}
	if len(s.Deliveries) == 0 {
		return nil
	}
	fmt.Fprintln(a.term.out)
	return a.deliveryTable(s.Deliveries)
}

func siteText(s gateway.SiteStatus) string {
	leader := "no leader"
	if s.Leader != "" {
		leader = s.Leader + " leads"
	}
	text := fmt.Sprintf("%s, %d gateways, %d vote, %d hold everything, %s", s.ID, len(s.Members), s.Voters, s.Copies, leader)
	if s.CatchUp > 0 {
		text += fmt.Sprintf(", catching up to entry %d", s.CatchUp)
	}
	return text
}

func (a *app) streamTable(all []gateway.StreamStatus) error {
	var rows [][]string
	for _, s := range all {
		scaled := ""
		if !s.Scaled.IsZero() {
			scaled = s.Scaling + " " + timeText(s.Scaled)
		}
		rows = append(rows, []string{s.Name, strings.ToLower(s.Mode), fmt.Sprint(s.Shards), count(s.Records), bytesText(s.Stored), span(s.Retention), timeText(s.Newest), scaled})
	}
	return a.table("STREAM MODE SHARDS RECORDS STORED RETENTION NEWEST SCALED", rows)
}

// uplinkText is the way out, "" while there is nothing to say of it.
func uplinkText(s gateway.UplinkStatus) string {
	var all []string
	if s.Down {
		all = append(all, "down since "+timeText(s.Since))
	}
	for _, b := range []struct {
		name       string
		used, most int64
	}{{"today", s.DayUsed, s.Day}, {"this month", s.MonthUsed, s.Month}} {
		if b.most > 0 {
			all = append(all, fmt.Sprintf("%s of %s %s", bytesText(uint64(b.used)), bytesText(uint64(b.most)), b.name))
		}
	}
	return strings.Join(all, ", ")
}

func (a *app) deliveryTable(all []gateway.DeliveryStatus) error {
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{d.Name, d.Stream, d.State, count(d.LagRecords), span(d.LagAge), count(d.Objects), count(d.Records), d.Sink, d.LastError})
	}
	return a.table("DELIVERY STREAM STATE LAG AGE OBJECTS RECORDS SINK ERROR", rows)
}

func (a *app) deliveries() *cobra.Command {
	return a.withData(&cobra.Command{
		Use:     "deliveries",
		Short:   "Show what is delivered, and how far (headgate delivery list)",
		Example: "  headgate deliveries\n  headgate deliveries -o json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.deliveryList(cmd) },
	})
}
