package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/deploy/prove/internal/account"
	"headgate/deploy/prove/internal/trio"
	"headgate/firmware-sim/fleet"
)

// acked is what all fleets were acknowledged.
func (s *site) acked() (*fleet.Acked, error) {
	var all *fleet.Acked
	for _, name := range []string{"telemetry", "commands", "enrolled"} {
		one, err := fleet.ReadOracle(s.oracle(name))
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = one
		}
		maps.Copy(all.Devices, one.Devices)
	}
	return all, nil
}

// judge reads each gateway and prints the figures.
func (s *site) judge(ctx context.Context) error {
	acked, err := s.acked()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.totals)) {
		t := s.totals[name]
		fmt.Printf("%s: %d devices, %d connects, %d links lost, %d sessions forgotten, %d messages repeated\n", name, t.Devices, t.Connects, t.Losses, t.Forgotten, t.Repeated)
		if t.Forgotten > 0 {
			err = errors.Join(err, fmt.Errorf("%s: %d sessions were forgotten", name, t.Forgotten))
		}
	}
	key, keyErr := s.key(ctx)
	if keyErr != nil {
		return errors.Join(err, keyErr)
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "read at\tacknowledged\tread\tmissing\taltered\tout of order\tdoubled QoS 1\tdoubled QoS 2")
	for _, g := range s.Gateways {
		c := fleet.NewChecker(acked)
		readErr := account.Records(ctx, account.ClientOf(g.API, key[0], key[1]), "telemetry", func(r types.Record) {
			c.Add(*r.PartitionKey, r.Data, *r.ApproximateArrivalTimestamp)
		})
		if readErr != nil {
			return errors.Join(err, fmt.Errorf("read %s: %w", g.Name, readErr))
		}
		r := c.Report()
		fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", g.Name, r.Acked, r.Records, r.Missing, r.Altered+r.Foreign+r.OtherKey, r.Disorder, r.Duplicates-r.DuplicatesQoS2, r.DuplicatesQoS2)
		if !r.OK() || r.Foreign+r.OtherKey > 0 || r.Acked == 0 {
			err = errors.Join(err, fmt.Errorf("%s does not hold what was acknowledged: %v", g.Name, r.Examples))
		}
	}
	return errors.Join(err, out.Flush())
}

// key makes an access key and waits until each gateway knows it.
func (s *site) key(ctx context.Context) (key [2]string, err error) {
	out, err := s.Gateways[0].Run(ctx, "keys", "create")
	if err != nil {
		return key, err
	}
	if _, err := fmt.Sscanf(out, "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n", &key[0], &key[1]); err != nil {
		return key, err
	}
	err = until(ctx, 20*time.Second, "each gateway knows the key", func() bool {
		return all(s.Gateways, func(g *trio.Gateway) bool {
			_, err := account.ClientOf(g.API, key[0], key[1]).ListStreams(ctx, &kinesis.ListStreamsInput{})
			return err == nil
		})
	})
	return key, err
}

// found is what a receiver was given.
type found struct {
	acked, given, missing, doubled, disorder uint64
}

// found compares what the receiver was given with what its device was
// acknowledged. Out of order is what comes first after a later command.
func (in *inbox) found(acked *fleet.Acked) (f found) {
	in.mu.Lock()
	defer in.mu.Unlock()
	var seen fleet.Runs
	for _, n := range in.numbers {
		f.given++
		highest := seen.Max()
		switch {
		case !seen.Add(n):
			f.doubled++
		case n < highest:
			f.disorder++
		}
	}
	if a := acked.Devices[in.device]; a != nil {
		f.acked = a.Numbers.Len()
		f.missing, _ = a.Numbers.Without(&seen, 0)
	}
	return f
}

// judgeReceivers tells what the receivers were given, summed up by MQTT version and QoS.
func (s *site) judgeReceivers() (err error) {
	acked, err := fleet.ReadOracle(s.oracle("commands"))
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "receivers of\tconnects\tforgotten\tacknowledged\tgiven\tmissing\tout of order\tdoubled\tcopies known")
	for i, in := range s.receivers {
		f, st := in.found(acked), in.Stats()
		fmt.Fprintf(out, "MQTT %s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", in.name, st.Connects, st.Forgotten, f.acked, f.given, f.missing, f.disorder, f.doubled, st.Copies)
		once := qos()[i%2] == 2
		if f.missing+f.disorder+in.broken > 0 || st.Forgotten > 0 || once && f.doubled > 0 || f.acked == 0 {
			err = errors.Join(err, fmt.Errorf("receiver %d (%s) was not given what was acknowledged: %+v", i, in.name, f))
		}
	}
	return errors.Join(err, out.Flush())
}
