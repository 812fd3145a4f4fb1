// Command headgate is the gateway and the tool to look after it. It parses
// the command line and prints; what it does lies in package gateway.
//
// It ends with 0 when it did what was asked, 1 when that failed, 2 when the
// command line or the configuration is wrong, and 3 when the disk under a
// running gateway refused a write or a sync: then whoever started it should
// start it again.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"headgate/gateway"
)

// What the process ends with.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitDisk   = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	term := terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	code := run(ctx, term, os.Args[1:])
	stop()
	os.Exit(code)
}

// terminal is where a command reads and prints.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// run does what the arguments say and answers the exit code.
func run(ctx context.Context, term terminal, args []string) int {
	root := newRoot(term)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage usageError
	var quiet quietError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &quiet):
		return exitFailed
	case errors.Is(err, gateway.ErrDisk):
		fmt.Fprintln(term.err, "headgate:", err)
		return exitDisk
	case errors.As(err, &usage):
		fmt.Fprintln(term.err, "headgate:", err)
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitFailed
	}
	fmt.Fprintln(term.err, "headgate:", err)
	return exitFailed
}

// usageError is a fault of the command line or the configuration.
type usageError struct{ error }

// Unwrap is the fault itself.
func (e usageError) Unwrap() error { return e.error }

// quietError ends a command that has said already what is wrong.
type quietError struct{ error }
