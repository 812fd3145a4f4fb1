package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"headgate/firmware-sim/enrol"
	"headgate/firmware-sim/thing"
)

// thingFlags is the thing command as typed.
type thingFlags struct {
	conf         thing.Config
	broker       string
	username     string
	passwordFile string
	report       string
	oneJob       bool
	duration     time.Duration
	security     security
}

func thingCommand() *cobra.Command {
	var f thingFlags
	c := &cobra.Command{
		Use:   "thing NAME",
		Short: "Run one device with a shadow, commands and firmware updates",
		Long: `Run one device as AWS IoT's device libraries make them: last will and retained
birth on d/NAME/state, commands of cmd/NAME/# (ping, set, reboot) answered on the
response topic or d/NAME/reply/#, a classic shadow, and firmware by jobs:
download in blocks, SHA-256, restart, new version. What happens is printed, one
JSON object a line. With --one-job it fails when the job did.`,
		Example: `  firmware-sim thing press-7 --broker 127.0.0.1:1883 --report '{"colour":"blue"}'
  firmware-sim thing press-7 --broker 127.0.0.1:8883 --ca ca.pem --cert-dir ./devices --mqtt5
  firmware-sim thing press-7 --one-job --broken        # new firmware does not start: back to the old`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("the name of one thing is needed")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	s := c.Flags()
	s.StringVar(&f.broker, "broker", "127.0.0.1:1883", "address of the MQTT door, host:port")
	s.StringVar(&f.username, "username", "", "user name")
	s.StringVar(&f.passwordFile, "password-file", "", "file that holds the password")
	s.StringVar(&f.conf.Version, "firmware", "1.0.0", "version of the firmware at first")
	s.StringVar(&f.report, "report", "{}", "what it reports at first, a JSON object")
	s.BoolVar(&f.conf.Broken, "broken", false, "new firmware does not start: the job is reported FAILED")
	s.BoolVar(&f.conf.NoJobs, "no-jobs", false, "take no new firmware; for a broker that refuses its topics")
	s.IntVar(&f.conf.Block, "block", 4096, "bytes of a block of a file")
	s.BoolVar(&f.conf.Connect.V5, "mqtt5", false, "speak MQTT 5")
	s.Uint16Var(&f.conf.Connect.KeepAlive, "keep-alive", 60, "MQTT keep-alive in seconds")
	s.BoolVar(&f.oneJob, "one-job", false, "stop after one job")
	s.DurationVar(&f.duration, "duration", 0, "stop after this long")
	f.security.register(s)
	return c
}

func (f *thingFlags) run(c *cobra.Command, name string) error {
	if err := f.prepare(name); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	if f.duration > 0 {
		ctx, stop = context.WithTimeout(ctx, f.duration)
		defer stop()
	}
	out := json.NewEncoder(c.OutOrStdout())
	var done, failed atomic.Bool
	f.conf.Tell = func(e thing.Event) {
		_ = out.Encode(e) // a terminal that is gone ends the process by its signal
		if e.What == "done" {
			done.Store(true)
			failed.Store(failed.Load() || strings.Contains(e.Detail, " FAILED:"))
			if f.oneJob {
				stop()
			}
		}
	}
	t, err := thing.New(f.conf)
	if err != nil {
		return usageError{err}
	}
	if err := t.Run(ctx); err != nil {
		return err
	}
	if f.oneJob && (failed.Load() || !done.Load()) {
		return errFailed
	}
	return nil
}

// prepare reads what flags name.
func (f *thingFlags) prepare(name string) error {
	f.conf.Name = name
	if _, _, err := net.SplitHostPort(f.broker); err != nil {
		return usageError{fmt.Errorf("broker: %w", err)}
	}
	if err := json.Unmarshal([]byte(f.report), &f.conf.State); err != nil {
		return usageError{fmt.Errorf("--report is no JSON object: %w", err)}
	}
	f.conf.Connect.Username = f.username
	if f.passwordFile != "" {
		password, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return fmt.Errorf("read password: %w", err)
		}
		f.conf.Connect.Password = strings.TrimRight(string(password), "\r\n")
	}
	on, err := f.security.read()
	if err != nil {
		return err
	}
	f.conf.Dial = func(ctx context.Context) (net.Conn, error) {
		if on {
			return enrol.Folder(f.security.folder).Dial(ctx, f.security.trusted, f.broker, name)
		}
		return (&net.Dialer{Timeout: 30 * time.Second}).DialContext(ctx, "tcp", f.broker)
	}
	return nil
}
