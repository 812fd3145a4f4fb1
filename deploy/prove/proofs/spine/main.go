// Command spine proves the main job on the real binary: a fleet publishes
// MQTT while the gateway is killed again and again; then an AWS SDK reads the
// stream, and the delivered objects are counted. It ends with 0 when nothing
// that was acknowledged is missing, altered or numbered twice, and every
// record of the stream lies in exactly one object.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"headgate/deploy/prove/internal/account"
	"headgate/firmware-sim/fleet"
)

type options struct {
	headgate string
	devices  int
	messages uint64
	kills    int
	s3       bool
}

func main() {
	var o options
	full := flag.Bool("full", false, "the long form: 10,000 devices with 10 messages each, 50 kills")
	flag.StringVar(&o.headgate, "headgate", "", "path of the headgate binary")
	flag.IntVar(&o.devices, "devices", 300, "devices")
	flag.Uint64Var(&o.messages, "messages", 20, "messages of each device")
	flag.IntVar(&o.kills, "kills", 6, "times the gateway is killed")
	flag.Parse()
	if *full {
		o.devices, o.messages, o.kills = 10_000, 10, 50
	}
	_, err := os.Stat(versitygw())
	o.s3 = err == nil
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := prove(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "spine: not proven:", err)
		os.Exit(1)
	}
	fmt.Println("spine: proven")
}

func prove(ctx context.Context, o options) error {
	if !o.s3 && os.Getenv("CI") != "" {
		return errors.New("versitygw is not there; .ci/run builds it")
	}
	dir, err := os.MkdirTemp("", "spine-*")
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
	kills, err := s.publish(ctx, o)
	if err != nil {
		return err
	}
	acked, err := fleet.ReadOracle(s.oracle())
	if err != nil {
		return err
	}
	began := time.Now()
	read, err := account.Read(ctx, account.Client(s.api), "telemetry")
	if err != nil {
		return err
	}
	took := time.Since(began)
	found := account.Compare(read, acked)
	fmt.Printf("devices %d, acknowledged %d, read by the AWS SDK %d in %.1f s, kills %d\n", o.devices, acked.Len(), read.Records, took.Seconds(), kills)
	fmt.Printf("missing %d, altered %d, sequence numbers given twice %d, sent again after a kill %d\n", found.Missing, read.Altered, read.Twice, found.Repeated)
	delivered, err := s.delivered(ctx, read)
	if err != nil {
		return err
	}
	for _, d := range delivered {
		fmt.Printf("%s: %d objects, %d records, missing %d, doubled %d\n", d.name, d.objects, d.records, d.missing, d.doubled)
		if d.missing+d.doubled > 0 {
			err = errors.Join(err, fmt.Errorf("%s is not exact", d.name))
		}
	}
	if !o.s3 {
		fmt.Println("S3: not shown here; build deploy/peers/versitygw first, its README says how")
	}
	if want := uint64(o.devices) * o.messages; acked.Len() != want {
		err = errors.Join(err, fmt.Errorf("%d of %d messages were acknowledged", acked.Len(), want))
	}
	if found.Missing+read.Altered+read.Twice > 0 {
		err = errors.Join(err, errors.New("the stream is not what was acknowledged"))
	}
	return err
}

// versitygw is where the S3 server lies when it has been built.
func versitygw() string {
	if dir := os.Getenv("HEADGATE_PEERS"); dir != "" {
		return filepath.Join(dir, "versitygw")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "headgate", "peers", "versitygw")
}
