package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) device() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:   "device",
		Short: "Say which devices may connect by MQTT: create, claim, rotate, disable, revoke, import",
		Long: `Say which devices may connect by MQTT over TLS (serve --mqtts), and by plain MQTT
where devices: {required: true} is set. A device is known by a password or by a
certificate, which it gets for a claim code. Its client id is its id.`,
		Example: `  headgate device claim press-7
  headgate device create press-8 --password
  headgate device
  headgate device revoke press-7`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.deviceList(cmd, "") },
	})
	prefix := ""
	list := &cobra.Command{Use: "list", Short: "List the devices", Args: noArgs, Example: "  headgate device list --prefix press- -o json",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.deviceList(cmd, prefix) }}
	claims := &cobra.Command{Use: "claims", Short: "List the claim codes that there are, without the codes", Args: noArgs, Example: "  headgate device claims",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.deviceClaims(cmd) }}
	list.Flags().StringVar(&prefix, "prefix", "", "only those whose ids begin so")
	cmd.AddCommand(list, claims, a.deviceTraffic(), a.deviceCreate(), a.deviceClaim(), a.deviceRotate(), a.deviceImport(),
		a.deviceChange("disable", "Keep a device out until it is enabled", "is disabled"),
		a.deviceChange("enable", "Let a disabled device in again", "is enabled"),
		a.deviceChange("revoke", "Keep a device and its certificates out for good", "is revoked"),
		&cobra.Command{Use: "delete DEVICE", Short: "Forget a device", Args: exactArgs(1), Example: "  headgate device delete press-7",
			RunE: func(cmd *cobra.Command, args []string) error {
				if err := a.client().DeleteDevice(cmd.Context(), args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintf(a.term.out, "%s is deleted\n", args[0])
				return err
			}})
	return cmd
}

func (a *app) deviceList(cmd *cobra.Command, prefix string) error {
	all, err := a.client().Devices(cmd.Context(), prefix)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(all)
	}
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{d.ID, string(d.State), fmt.Sprint(d.Passwords), fmt.Sprint(len(d.Certificates)), strings.Join(d.Groups, ","), timeText(d.Created)})
	}
	return a.table("DEVICE STATE PASSWORDS CERTIFICATES GROUPS CREATED", rows)
}

func (a *app) deviceCreate() *cobra.Command {
	o, password := gateway.DeviceOrder{}, false
	cmd := &cobra.Command{Use: "create DEVICE", Short: "Make a device", Args: exactArgs(1),
		Long:    "Make a device. With --password it gets a password that is made here and shown once.",
		Example: "  headgate device create press-8 --password\n  headgate device create press-9 --group press",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			d, err := a.client().CreateDevice(cmd.Context(), o)
			if err != nil {
				return err
			}
			if password {
				return a.showRotated(cmd, o.ID)
			}
			if a.json() {
				return a.printJSON(d)
			}
			_, err = fmt.Fprintf(a.term.out, "%s is made: give it a certificate with headgate device claim %s, or a password with headgate device rotate %s\n", d.ID, d.ID, d.ID)
			return err
		}}
	cmd.Flags().BoolVar(&password, "password", false, "make a password and show it, once")
	cmd.Flags().StringSliceVar(&o.Groups, "group", nil, "a group that it belongs to, for rules; may be repeated")
	return cmd
}

func (a *app) deviceRotate() *cobra.Command {
	return &cobra.Command{Use: "rotate DEVICE", Short: "Make a new password; the old one is good until the new one was used", Args: exactArgs(1),
		Example: "  headgate device rotate press-8",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.showRotated(cmd, args[0]) }}
}

func (a *app) showRotated(cmd *cobra.Command, id string) error {
	s, err := a.client().RotateDevice(cmd.Context(), id)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printLine(s)
	}
	_, err = fmt.Fprintf(a.term.out, "client id and username %s\npassword               %s\n", s.Device, s.Password)
	return err
}

func (a *app) deviceClaim() *cobra.Command {
	o := gateway.DeviceClaimOrder{}
	cmd := &cobra.Command{Use: "claim [DEVICE]", Short: "Make a code for which a device gets a certificate, once", Args: usage(cobra.MaximumNArgs(1)),
		Long: `Make a claim code and show it, once, as text and as a QR code. The device sends it
with a certificate request to POST /enrol of the console over TLS (serve --https),
in the fields code and csr, and gets its certificate.`,
		Example: "  headgate device claim press-7\n  headgate device claim --count 200 --prefix press- --for 720h",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Device = args[0]
			}
			if (o.Device == "") == (o.Count == 0) {
				return usageError{errors.New("name the device, or write --count N for a batch")}
			}
			s, err := a.client().NewDeviceClaim(cmd.Context(), o)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printLine(s)
			}
			_, err = fmt.Fprintf(a.term.out, "%s\ncode  %s\nends  %s\n", s.QR, s.Code, timeText(s.Claim.Ends))
			return err
		}}
	cmd.Flags().IntVar(&o.Count, "count", 0, "of devices that a batch is good for")
	cmd.Flags().StringVar(&o.Prefix, "prefix", "", "with which the ids of a batch begin")
	cmd.Flags().DurationVar(&o.For, "for", 24*time.Hour, "how long the code is good")
	cmd.Flags().StringSliceVar(&o.Groups, "group", nil, "a group that the devices belong to; may be repeated")
	return cmd
}

func (a *app) deviceClaims(cmd *cobra.Command) error {
	all, err := a.client().DeviceClaims(cmd.Context())
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(all)
	}
	var rows [][]string
	for _, c := range all {
		rows = append(rows, []string{c.Name, or(c.Device), or(c.Prefix), fmt.Sprintf("%d/%d", c.Used, c.Count), timeText(c.Created), timeText(c.Ends)})
	}
	return a.table("CLAIM DEVICE PREFIX USED CREATED ENDS", rows)
}

func (a *app) deviceTraffic() *cobra.Command {
	by, n := "loud", 20
	cmd := &cobra.Command{Use: "traffic", Short: "Rank the connected devices: loud, busy or silent", Args: noArgs,
		Long: `Rank the devices that are connected to this gateway by what they have published since
they connected: loud (bytes), busy (messages), or silent (longest without a message).`,
		Example: "  headgate device traffic\n  headgate device traffic --by silent -n 5 -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.client().Traffic(cmd.Context(), by, n)
			if err != nil || a.json() {
				return errors.Join(err, a.printJSON(all))
			}
			var rows [][]string
			for _, d := range all {
				rows = append(rows, []string{d.Client, d.Remote, timeText(d.Since), count(d.Messages), bytesText(d.Bytes), timeText(d.Last), fmt.Sprint(d.Pending)})
			}
			return a.table("DEVICE REMOTE SINCE MESSAGES BYTES LAST PENDING", rows)
		}}
	cmd.Flags().StringVar(&by, "by", by, "loud, busy or silent")
	cmd.Flags().IntVarP(&n, "number", "n", n, "how many")
	return cmd
}

func (a *app) deviceImport() *cobra.Command {
	keep := false
	cmd := &cobra.Command{Use: "import FILE", Short: "Make the devices of a CSV file", Args: exactArgs(1),
		Long: `Make the devices of a CSV file, all or none. Its first line names the columns: id,
and as wanted password, groups (apart by ;), state, and any other name for an attribute.`,
		Example: "  headgate device import fleet.csv\n  headgate device import fleet.csv --keep",
		RunE: func(cmd *cobra.Command, args []string) error {
			csv, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			done, err := a.client().ImportDevices(cmd.Context(), csv, keep)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(done)
			}
			_, err = fmt.Fprintf(a.term.out, "%d devices are made, %d were there\n", done.Created, done.Kept)
			return err
		}}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave devices alone that are there already")
	return cmd
}

func (a *app) deviceChange(do, short, done string) *cobra.Command {
	return &cobra.Command{Use: do + " DEVICE", Short: short, Args: exactArgs(1), Example: "  headgate device " + do + " press-7",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.client().ChangeDevice(cmd.Context(), args[0], do)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(d)
			}
			_, err = fmt.Fprintf(a.term.out, "%s %s\n", d.ID, done)
			return err
		}}
}
