// Command firehose proves that deliveries to S3 are exact on the real binary:
// AWS SDKs put records through the Firehose and the Kinesis API while the
// gateway is killed at random moments, its uplink is cut, and the S3 server
// dies. It ends with 0 when everything acknowledged is in the log and each
// record of the log lies in the bucket exactly once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

type options struct {
	headgate string
	kills    int           // of the gateway, before the outages
	outage   time.Duration // of the uplink, and then of the S3 server
	rate     int           // records a second of each producer
}

func main() {
	var o options
	full := flag.Bool("full", false, "the long form: 40 kills, outages of a minute, 2,000 records/s from each producer")
	flag.StringVar(&o.headgate, "headgate", "", "path of the headgate binary")
	flag.IntVar(&o.kills, "kills", 5, "times the gateway is killed before the outages")
	flag.DurationVar(&o.outage, "outage", 4*time.Second, "length of each outage")
	flag.IntVar(&o.rate, "rate", 500, "records a second of each producer")
	flag.Parse()
	if *full {
		o.kills, o.outage, o.rate = 40, time.Minute, 2000
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := prove(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "firehose: not proven:", err)
		os.Exit(1)
	}
	fmt.Println("firehose: proven")
}

func prove(ctx context.Context, o options) error {
	if _, err := os.Stat(versitygw()); err != nil {
		return fmt.Errorf("versitygw is not there; deploy/peers/versitygw/README.md says how to build it: %w", err)
	}
	dir, err := os.MkdirTemp("", "firehose-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newSite(dir, o)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.begin(ctx); err != nil {
		return err
	}
	began := time.Now()
	story, err := s.publish(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%.0f s: gateway killed %d times, uplink cut for %v (%d records delivered after it, mended in %v), S3 server killed for %v\n", time.Since(began).Seconds(),
		story.kills, o.outage, story.afterCut, story.mended.Round(100*time.Millisecond), o.outage)
	return s.judge(ctx, story)
}

// judge waits until everything is delivered, counts, and prints the figures.
func (s *site) judge(ctx context.Context, st *story) error {
	var fault error
	for i, d := range s.deliveries {
		inLog, err := s.read(ctx, d.stream)
		if err != nil {
			return fmt.Errorf("read %s: %w", d.stream, err)
		}
		drained := time.Now()
		if err := s.caughtUp(ctx, d.name); err != nil {
			return err
		}
		there, err := s.count(d.prefix)
		if err != nil {
			return err
		}
		acked := st.producers[i].acked
		f := figures{acked: len(acked), records: total(inLog), objects: there.objects, delivered: total(there.records)}
		for id := range acked {
			if inLog[id] == 0 {
				f.lost++
			}
		}
		for id, n := range inLog {
			f.again += n - 1
			f.missing += max(0, n-there.records[id])
			f.doubled += max(0, there.records[id]-n)
		}
		for id, n := range there.records {
			if inLog[id] == 0 {
				f.doubled += n
			}
		}
		fmt.Printf("%s (%s): acknowledged %d, in the log %d (lost %d, put again by the producer after a kill %d); in the bucket %d records in %d objects, missing %d, doubled %d; drained in %v\n",
			d.name, d.by, f.acked, f.records, f.lost, f.again, f.delivered, f.objects, f.missing, f.doubled, time.Since(drained).Round(100*time.Millisecond))
		if f.lost+f.missing+f.doubled > 0 {
			fault = errors.Join(fault, fmt.Errorf("%s is not exact", d.name))
		}
		if f.acked == 0 || f.objects < 2 {
			fault = errors.Join(fault, fmt.Errorf("%s was hardly used", d.name))
		}
	}
	if st.afterCut == 0 {
		fault = errors.Join(fault, errors.New("the outage of the uplink held nothing up"))
	}
	return fault
}

// figures is the account of one delivery.
type figures struct{ acked, records, lost, again, objects, delivered, missing, doubled int }

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
