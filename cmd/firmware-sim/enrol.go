package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/enrol"
)

// enrolment is the enrol command as typed.
type enrolment struct {
	door, ca, code string
	folder         string
	names          []string
	devices        int
	kinds          string
	renew          bool
	broker         string
}

func enrolCommand() *cobra.Command {
	var e enrolment
	c := &cobra.Command{
		Use:   "enrol",
		Short: "Get certificates for devices, or renew them",
		Long: `Make a P-256 key for each device, send a certificate request with a claim code
to the site's console, and keep certificate and key in NAME.pem (mode 0600).
With --renew each device gets a new certificate by the one that it has, connects
once with it, and only then drops the old one.`,
		Example: `  headgate device claim --count 10 --prefix temp-
  firmware-sim enrol --https https://127.0.0.1:8443 --ca ca.pem --code CODE --devices 10 --cert-dir ./devices
  firmware-sim run --broker 127.0.0.1:8883 --ca ca.pem --cert-dir ./devices --devices 10 --kinds temp
  firmware-sim enrol --renew --https https://127.0.0.1:8443 --broker 127.0.0.1:8883 --ca ca.pem --cert-dir ./devices`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return e.run(c) },
	}
	s := c.Flags()
	s.StringVar(&e.door, "https", "", "URL of the console over TLS, https://host:port")
	s.StringVar(&e.ca, "ca", "", "file of authorities that its certificate is checked by (default: the system's)")
	s.StringVar(&e.code, "code", "", "claim code")
	s.StringVar(&e.folder, "cert-dir", "", "folder of the certificates")
	s.StringSliceVar(&e.names, "device", nil, "id of a device; may be repeated")
	s.IntVar(&e.devices, "devices", 0, "instead of ids: as many devices as run has")
	s.StringVar(&e.kinds, "kinds", "temp", "kinds of these devices, as run has them")
	s.BoolVar(&e.renew, "renew", false, "renew what is in the folder, or the devices that are named")
	s.StringVar(&e.broker, "broker", "", "TLS door of the broker, host:port, for --renew")
	return c
}

func (e *enrolment) run(c *cobra.Command) error {
	switch {
	case e.door == "" || e.folder == "":
		return usageError{errors.New("--https URL and --cert-dir FOLDER are needed")}
	case e.renew && (e.broker == "" || e.code != ""):
		return usageError{errors.New("--renew needs --broker, and no --code")}
	case !e.renew && (e.code == "" || len(e.names) == 0 && e.devices < 1):
		return usageError{errors.New("--code, and --device or --devices, are needed")}
	}
	trust, err := enrol.Trust(e.ca)
	if err != nil {
		return err
	}
	names, err := e.which()
	if err != nil {
		return err
	}
	door, folder := enrol.Door{URL: e.door, Trust: trust}, enrol.Folder(e.folder)
	for _, name := range names {
		if err := e.one(c.Context(), door, folder, name); err != nil {
			return err
		}
		fmt.Fprintln(c.OutOrStdout(), name)
	}
	return nil
}

// which are the devices meant.
func (e *enrolment) which() ([]string, error) {
	names := slices.Clone(e.names)
	if e.devices > 0 {
		kinds, err := parseKinds(e.kinds)
		if err != nil {
			return nil, err
		}
		for i := range e.devices {
			names = append(names, device.ID{Kind: kinds[i%len(kinds)], Number: uint32(i)}.String())
		}
	}
	if e.renew && len(names) == 0 {
		return enrol.Folder(e.folder).Names()
	}
	return names, nil
}

// one enrols one device, unless it is enrolled, or renews it.
func (e *enrolment) one(ctx context.Context, door enrol.Door, folder enrol.Folder, name string) error {
	if e.renew {
		return enrol.Rotate(ctx, door, folder, e.broker, name)
	}
	if _, err := folder.Load(name); err == nil {
		return nil
	} else if !errors.Is(err, enrol.ErrNone) {
		return err
	}
	_, err := door.Claim(ctx, folder, e.code, name)
	return err
}
