// Command power proves on real file systems that a power cut loses nothing: a
// gateway under load lies on a file system of its own, whose power is cut by
// the shutdown ioctl, so that what was not synced is gone; it is mounted again,
// the gateway starts, and an AWS SDK reads everything back. With three
// gateways, one of them or all lose their power, and each must hold everything.
// It ends with 0 when nothing that was acknowledged is missing, altered or
// numbered twice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

type options struct {
	headgate string
	kinds    string // file systems
	rounds   int    // power cuts on each
	life     int    // power cuts until a new disk
	gateways int
	seed     uint64
	dir      string
}

func main() {
	var o options
	full := flag.Bool("full", false, "the long form: 100 power cuts on each file system")
	flag.StringVar(&o.headgate, "headgate", "", "path of the headgate binary")
	flag.StringVar(&o.kinds, "fs", "ext4,xfs", "file systems")
	flag.IntVar(&o.rounds, "rounds", 6, "power cuts on each")
	flag.IntVar(&o.life, "life", 10, "power cuts until new disks are taken")
	flag.IntVar(&o.gateways, "gateways", 1, "gateways, each on a disk of its own: with three, one of them or all lose their power")
	flag.Uint64Var(&o.seed, "seed", 0, "fixes what is written and when the power goes; 0: a new one")
	flag.StringVar(&o.dir, "dir", "", "folder of the disks' images; the default is the system's for temporary files")
	flag.Parse()
	if *full {
		o.rounds = 100
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Geteuid() == 0 && os.Getenv(apart) == "" {
		os.Exit(again(ctx))
	}
	err := prove(ctx, o)
	var lacking *missing
	switch {
	case errors.As(err, &lacking) && os.Getenv("CI") == "":
		fmt.Println("power: not shown here:", err)
	case err != nil:
		fmt.Fprintf(os.Stderr, "power: not proven, seed %d: %v\n", o.seed, err)
		os.Exit(1)
	default:
		fmt.Println("power: proven")
	}
}

// apart marks a process that has mounts of its own.
const apart = "HEADGATE_POWER_APART"

// again runs this program once more, where nobody else sees its mounts: a
// process elsewhere that is born with a copy of one would keep a file system
// alive whose power is gone, and a new mount would be given that.
func again(ctx context.Context) (code int) {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "power:", err)
		return 1
	}
	cmd := exec.CommandContext(ctx, self, os.Args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdout, os.Stderr, append(os.Environ(), apart+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState == nil {
			fmt.Fprintln(os.Stderr, "power: no mounts of our own:", err)
		}
		return 1
	}
	return 0
}

// prove runs all rounds and prints what came of them last.
func prove(ctx context.Context, o options) error {
	var all []tally
	kinds := strings.Split(o.kinds, ",")
	for i, kind := range kinds {
		if err := possible(kind); err != nil {
			return err
		}
		t, err := proveOn(ctx, kind, o, rand.New(rand.NewPCG(o.seed, uint64(i))))
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		all = append(all, t)
	}
	fmt.Printf("seed %d\n", o.seed)
	var short error
	for i, t := range all {
		fmt.Printf("%s: %v\n", kinds[i], t)
		if t.faults() > 0 || t.cuts < o.rounds {
			short = errors.New("what was acknowledged is not what is there")
		}
	}
	return short
}

// proveOn uses up disks until there were enough power cuts.
func proveOn(ctx context.Context, kind string, o options, random *rand.Rand) (total tally, err error) {
	for total.cuts < o.rounds && err == nil {
		var t tally
		t, err = live(ctx, kind, o, min(o.life, o.rounds-total.cuts), random)
		total.add(t)
	}
	return total, err
}

// live is the life of one set of disks.
func live(ctx context.Context, kind string, o options, cuts int, random *rand.Rand) (t tally, err error) {
	s, err := newSite(kind, o, random)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if err := s.begin(ctx); err != nil {
		return t, err
	}
	began := time.Now()
	for s.tally.cuts < cuts {
		if err := s.round(ctx); err != nil {
			return s.tally, fmt.Errorf("after power cut %d: %w", s.tally.cuts, err)
		}
	}
	err = s.end(ctx)
	fmt.Printf("%s, %.0f s: %v\n", kind, time.Since(began).Seconds(), s.tally)
	return s.tally, err
}
