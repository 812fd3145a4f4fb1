// Command firmware-sim runs simulated devices against an MQTT door, checks that
// what was acknowledged to them can be read again, and runs simulated cameras
// against a WHIP door. It knows nothing of the gateway but these doors'
// addresses and the records it gives back.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// errFailed says that the work was done and its result, already printed, is bad.
var errFailed = errors.New("failed")

// usageError is a mistake in the command line.
type usageError struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(code(command().ExecuteContext(ctx)))
}

// code prints an error that nobody printed yet and turns it into an exit code.
func code(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "firmware-sim: %v\nTry firmware-sim --help.\n", err)
		return exitUsage
	}
	fmt.Fprintf(os.Stderr, "firmware-sim: %v\n", err)
	return exitFailed
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "firmware-sim",
		Short: "Simulated devices that prove what a gateway keeps",
		Long: `firmware-sim runs a fleet of simulated devices in one process. Each has its own
MQTT connection, believable sensors and, with --state, a synced ring file for
what it cannot send. Every acknowledgement goes to an oracle file, so that
"firmware-sim verify" can tell what was lost, doubled, altered or reordered.
Cameras that publish by WHIP are apart: "firmware-sim camera".

Exit codes: 0 good, 1 failed, 2 usage.`,
		Example: `  firmware-sim run --broker 127.0.0.1:1883 --devices 50 --rate 2
  firmware-sim run --devices 10000 --messages 10 --oracle acked.txt
  headgate tail telemetry -o json | firmware-sim verify --oracle acked.txt
  firmware-sim bench --window 1024 --duration 10s
  firmware-sim storm --devices 5000 --broker 127.0.0.1:8883 --ca ca.pem
  firmware-sim enrol --https https://127.0.0.1:8443 --ca ca.pem --code CODE --devices 10 --cert-dir ./devices
  firmware-sim run --scenario burst-after-outage --oracle acked.txt
  firmware-sim thing press-7 --report '{"colour":"blue"}'
  firmware-sim camera --whip http://127.0.0.1:8080/whip/door --token T`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(runCommand(), verifyCommand(), benchCommand(), stormCommand(), enrolCommand(), thingCommand(), scenariosCommand(), cameraCommand())
	return root
}

// noArgs refuses arguments as a mistake of usage.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s: unknown argument %q", c.CommandPath(), args[0])}
	}
	return nil
}
