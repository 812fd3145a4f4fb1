// Command kcl is a consumer of a stream by vmware-go-kcl-v2: it prints shard,
// sequence number and data of each record, a line each, and then checkpoints.
// It ends on SIGTERM.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/sirupsen/logrus"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/config"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/interfaces"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/worker"
	"github.com/vmware/vmware-go-kcl-v2/logger"
)

func main() {
	endpoint := flag.String("endpoint", "", "of Kinesis and DynamoDB")
	stream := flag.String("stream", "", "")
	app := flag.String("app", "app", "the table of leases")
	id := flag.String("worker", "worker", "")
	efo := flag.Bool("efo", false, "by SubscribeToShard")
	flag.Parse()
	log := logrus.New()
	log.SetOutput(os.Stderr)
	log.SetLevel(logrus.ErrorLevel)
	who := credentials.NewStaticCredentialsProvider("any", "thing", "")
	c := config.NewKinesisClientLibConfigWithCredentials(*app, *stream, "eu-central-1", *id, who, who).
		WithKinesisEndpoint(*endpoint).WithDynamoDBEndpoint(*endpoint).WithInitialPositionInStream(config.TRIM_HORIZON).
		WithFailoverTimeMillis(4000).WithLeaseRefreshPeriodMillis(2000).WithShardSyncIntervalMillis(1000).WithMaxLeasesForWorker(100).
		WithEnhancedFanOutConsumer(*efo).WithLogger(logger.NewLogrusLogger(log))
	w := worker.NewWorker(&factory{out: bufio.NewWriter(os.Stdout)}, c)
	if err := w.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "kcl:", err)
		os.Exit(1)
	}
	over := make(chan os.Signal, 1)
	signal.Notify(over, syscall.SIGTERM, os.Interrupt)
	<-over
	w.Shutdown()
}

// factory makes a processor for each lease; all print to one place.
type factory struct {
	mu  sync.Mutex
	out *bufio.Writer // guarded by mu
}

func (f *factory) CreateProcessor() interfaces.IRecordProcessor { return &processor{f: f} }

type processor struct {
	f     *factory
	shard string
}

func (p *processor) Initialize(in *interfaces.InitializationInput) { p.shard = in.ShardId }

func (p *processor) ProcessRecords(in *interfaces.ProcessRecordsInput) {
	if len(in.Records) == 0 {
		return
	}
	p.f.mu.Lock()
	for _, r := range in.Records {
		fmt.Fprintf(p.f.out, "%s %s %s\n", p.shard, *r.SequenceNumber, r.Data)
	}
	err := p.f.out.Flush()
	p.f.mu.Unlock()
	if err != nil {
		os.Exit(1)
	}
	if err := in.Checkpointer.Checkpoint(in.Records[len(in.Records)-1].SequenceNumber); err != nil {
		fmt.Fprintln(os.Stderr, "kcl: checkpoint:", err)
	}
}

func (p *processor) Shutdown(in *interfaces.ShutdownInput) {
	if in.ShutdownReason == interfaces.TERMINATE {
		if err := in.Checkpointer.Checkpoint(nil); err != nil { // SHARD_END
			fmt.Fprintln(os.Stderr, "kcl: checkpoint:", err)
		}
	}
}
