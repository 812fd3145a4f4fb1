// Command replication proves that a site of three gateways loses nothing that
// it acknowledged: fleets publish through all three while the leader is killed
// again and again, then while only one gateway is left, which acknowledges from
// its spool; then each gateway is read with an AWS SDK. It ends with 0 when
// nothing that was acknowledged is missing, altered or numbered twice, and the
// three hold the same.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"headgate/deploy/prove/internal/account"
	"headgate/firmware-sim/fleet"
)

type options struct {
	headgate string
	devices  int // of each gateway
	messages uint64
	kills    int
	alone    time.Duration
	gateways int
}

func main() {
	var o options
	full := flag.Bool("full", false, "the long form: 1,000 devices at each gateway, 25 kills, a minute alone")
	flag.StringVar(&o.headgate, "headgate", "", "path of the headgate binary")
	flag.IntVar(&o.devices, "devices", 50, "devices at each gateway")
	flag.Uint64Var(&o.messages, "messages", 60, "messages of each device")
	flag.IntVar(&o.kills, "kills", 3, "times the leader is killed")
	flag.DurationVar(&o.alone, "alone", 4*time.Second, "how long one gateway is alone, once it counts as isolated")
	flag.Parse()
	o.gateways = 3
	if *full {
		o.devices, o.messages, o.kills, o.alone = 1000, 100, 25, time.Minute
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := prove(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "replication: not proven:", err)
		os.Exit(1)
	}
	fmt.Println("replication: proven")
}

func prove(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "replication-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newSite(dir, o)
	if err != nil {
		return err
	}
	defer s.Stop()
	began := time.Now()
	if err := s.begin(ctx); err != nil {
		return err
	}
	fmt.Printf("three gateways vote %.1f s after the first was started\n", time.Since(began).Seconds())
	story, err := s.publish(ctx)
	if err != nil {
		return err
	}
	if err := s.Settle(ctx); err != nil {
		return err
	}
	return s.judge(ctx, story)
}

// judge reads every gateway and prints the figures.
func (s *site) judge(ctx context.Context, story *story) error {
	var acked []*fleet.Acked
	total := uint64(0)
	for i := range s.Gateways {
		a, err := fleet.ReadOracle(s.oracle(i))
		if err != nil {
			return err
		}
		acked = append(acked, a)
		total += a.Len()
	}
	var fault error
	var first *account.Found
	for i, g := range s.Gateways {
		f, err := account.Read(ctx, account.Client(g.API), "telemetry")
		if err != nil {
			return fmt.Errorf("read gateway %d: %w", i+1, err)
		}
		d := account.Compare(f, acked...)
		fmt.Printf("gateway %d: acknowledged %d, read %d, missing %d, altered %d, numbered twice %d, doubled %d\n",
			i+1, total, f.Records, d.Missing, f.Altered, f.Twice, d.Repeated)
		if d.Missing+f.Altered+f.Twice > 0 {
			fault = errors.Join(fault, fmt.Errorf("gateway %d does not hold what was acknowledged", i+1))
		}
		if first == nil {
			first = f
		} else if f.Sum != first.Sum {
			fault = errors.Join(fault, fmt.Errorf("gateway %d holds something else than gateway 1", i+1))
		}
	}
	slices.Sort(story.failovers)
	fmt.Printf("leader killed %d times; next acknowledged write after %v at the median, %v at most (HeartbeatTimeout %v)\n", len(story.failovers),
		story.failovers[len(story.failovers)/2].Round(time.Millisecond), story.failovers[len(story.failovers)-1].Round(time.Millisecond), heartbeat)
	fmt.Printf("alone: %d records acknowledged from the spool, the Kinesis API answered 503: %v; drained %v after the others were back\n",
		story.spooled, story.refused, story.drained.Round(100*time.Millisecond))
	if want := uint64(s.o.devices) * s.o.messages * uint64(len(s.Gateways)); total != want {
		fault = errors.Join(fault, fmt.Errorf("%d of %d messages were acknowledged", total, want))
	}
	if first.Records < total {
		fault = errors.Join(fault, fmt.Errorf("%d records are there, %d were acknowledged", first.Records, total))
	}
	if story.spooled == 0 || !story.refused {
		fault = errors.Join(fault, errors.New("the gateway that was alone did not behave so"))
	}
	return fault
}

// heartbeat is the binary's with peers, on a disk that does not stall.
const heartbeat = time.Second
