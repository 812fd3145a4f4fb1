// Package gateway is the roof of the house: it reads the configuration, wires
// the rooms together and runs them. It knows every room and no protocol.
package gateway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"headgate/gateway/access"
	"headgate/gateway/awsapi"
	"headgate/gateway/cloudwatchapi"
	"headgate/gateway/devices"
	"headgate/gateway/dynamoapi"
	"headgate/gateway/firehoseapi"
	"headgate/gateway/iotapi"
	"headgate/gateway/kinesisapi"
	"headgate/gateway/videoapi"
	"headgate/ingest"
	"headgate/ingest/jobs"
	"headgate/ingest/mqtt"
	"headgate/ingest/rules"
	"headgate/ingest/shadow"
	"headgate/ingest/webrtc"
	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/store"
	"headgate/shardlog/streams"
	"headgate/sync/raftgroup"
)

// ErrDisk is what Run answers when a write or sync failed, or the log turned
// out to be damaged beyond repair: nothing may be acknowledged after it, so the
// process must end and be started again.
var ErrDisk = errors.New("the disk failed")

// Gateway is one gateway, wired. New makes it, Run runs it.
type Gateway struct {
	config Config
	log    *slog.Logger
	level  *slog.LevelVar
	began  time.Time
	id     uint64

	store      *store.Store
	group      *raftgroup.Group
	streams    *streams.Log
	writer     shardlog.Writer // for the doors: streams, or the way to the leader
	control    shardlog.Control
	states     shardlog.States
	routes     *ingest.Routes
	mqtt       *mqtt.Server // nil: off
	cameras    *cameras
	webrtc     *webrtc.Server // nil: off
	site       *site          // nil: it has no peers
	peers      net.Listener   // of the site; owned by Run
	kinesis    *kinesisapi.API
	firehose   *firehoseapi.API
	video      *videoapi.API
	grants     *videoapi.Grants // of sessions that play without credentials
	door       *awsapi.Door
	keys       *access.Keys
	firstKey   *access.KeyPair
	seals      access.Seals
	agreeing   sync.Mutex // held while the keys of the site are agreed on
	audit      *audit
	watch      *cloudwatchapi.API
	collection collection
	devices    *devices.Store
	services   []ingest.Service // behind reserved topics
	shadows    *shadow.Service
	things     *iotapi.API
	jobs       *jobs.Service
	deliveries *deliveries
	rates      rates
	rules      *rules.Runner
	ruleTable  *rules.Table
	ticketKey  [32]byte // seals viewers' cookies

	mending     chan struct{}        // of capacity 1: in it while blocks are fetched
	outage      sync.Mutex           // held while one is simulated
	uplinkCut   atomic.Bool          // deliveries reach nothing: on purpose
	clockShift  atomic.Int64         // nanoseconds that the wall clock pretends to be off
	clockSynced atomic.Pointer[bool] // what the kernel pretends to say of it; nil: it does not pretend

	fatal     chan error    // a disk failure, once
	made      chan struct{} // closed when the streams of the configuration are there
	makeOnce  sync.Once     // closes made
	ready     chan struct{} // closed when records are taken
	addresses Addresses     // written before ready is closed

	opened []net.Listener // of socket, api and console; owned by Run
}

// Addresses are where the doors really are, ports chosen by the system
// included. A door that is off has none.
type Addresses struct {
	API     string `json:"api,omitempty"`
	APITLS  string `json:"api_tls,omitempty"`
	MQTT    string `json:"mqtt,omitempty"`
	MQTTS   string `json:"mqtts,omitempty"`
	Console string `json:"console,omitempty"`
	HTTPS   string `json:"https,omitempty"`
	Media   string `json:"media,omitempty"`
	Collect string `json:"collect,omitempty"`
	Syslog  string `json:"syslog,omitempty"`

	SyslogTLS string `json:"syslogTls,omitempty"`
	Peer      string `json:"peer,omitempty"`
	Socket    string `json:"socket"`
}

// New opens the store and wires the rooms over it. Nothing runs yet; a
// Gateway that is never run must be closed. It answers ErrDisk when the disk
// failed meanwhile; then the process should end.
func New(c Config) (*Gateway, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	g := &Gateway{config: c, began: time.Now(), fatal: make(chan error, 1), made: make(chan struct{}), ready: make(chan struct{}), mending: make(chan struct{}, 1), level: new(slog.LevelVar)}
	g.log = newLogger(c.Log, g.level)
	g.limitMemory()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	built := make(chan error, 1)
	go func() { built <- g.build() }()
	select {
	case err := <-built:
		if err != nil {
			return nil, err
		}
		return g, nil
	case err := <-g.fatal: // build does not come back
		return nil, fmt.Errorf("%w: %w", ErrDisk, err)
	}
}

// build opens the store and wires the rooms.
func (g *Gateway) build() error {
	if err := g.openStore(); err != nil {
		return err
	}
	if err := g.wire(); err != nil {
		return errors.Join(err, g.Close())
	}
	return nil
}

// die reports a disk failure. It does not return: whoever called it must not
// go on to acknowledge anything.
func (g *Gateway) die(err error) {
	select {
	case g.fatal <- err:
	default:
	}
	select {}
}

func (g *Gateway) limitMemory() {
	debug.SetGCPercent(50)
	if g.config.Memory > 0 {
		debug.SetMemoryLimit(int64(g.config.Memory))
	} else if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(usualMemory)
	}
}

const usualMemory = 160 << 20

// explainOpen says what to do when the folder is somebody else's.
func explainOpen(data string, err error) error {
	asked, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c, e := dialSocket(asked, data); e == nil {
		_ = c.Close() // it was only a question
		return fmt.Errorf("another gateway runs on %s: stop it first, or give this one a folder of its own with --data: %w", data, err)
	}
	return fmt.Errorf("open %s: %w", data, err)
}

func (g *Gateway) wire() error {
	id, incarnation, fresh, err := identity(g.store)
	if err != nil {
		return err
	}
	g.id = id
	if err := g.openSite(fresh); err != nil {
		return err
	}
	if g.site != nil {
		if err := g.wireSite(); err != nil {
			return err
		}
	}
	if err := g.wireLog(incarnation); err != nil {
		return err
	}
	if err := g.wireDeliveries(); err != nil {
		return err
	}
	if g.routes, err = g.config.routes(g.store); err != nil {
		return err
	}
	if err := g.wireThings(); err != nil {
		return err
	}
	if err := g.wireJobs(); err != nil {
		return err
	}
	if err := g.wireAPI(g.config.Limits.quota()); err != nil {
		return err
	}
	if err := g.wireMQTT(); err != nil {
		return err
	}
	if err := g.wireRules(); err != nil {
		return err
	}
	if err := g.wireCollection(); err != nil {
		return err
	}
	return g.wireCameras()
}

// wireLog makes the consensus, the write path over it, and where there are
// peers the way to the one that leads.
func (g *Gateway) wireLog(incarnation uint64) (err error) {
	c := raftgroup.Config{ID: g.name(), Machine: g.store, Journal: g.store.Journal(), Locals: g.store, Snapshots: g.store, Log: g.log, Fatal: g.die}
	clock := streams.NewClock()
	clock.Wall, clock.Synced = g.now, g.synced(clock.Synced)
	if s := g.site; s != nil {
		c.Address, c.Join, c.Reach, c.Facts, c.Replace = s.address, !s.founder, g.reach, g.facts, time.Duration(g.config.Replace)
		c.Link = &raftgroup.Link{Listener: s.links.RaftListener(), Dial: g.dialRaft}
		clock.Peers = g.peersAhead
	}
	if g.group, err = raftgroup.Open(c); err != nil {
		return err
	}
	g.streams, err = streams.New(streams.Config{
		Gateway: g.id, Incarnation: incarnation, Proposer: g.group, Catalog: g.store, States: g.store, Ground: ground{g.store, g}, Gaps: g.store,
		Limits: g.config.Limits.quota(), SyncsPerSecond: g.config.Profile.SyncsPerSecond(),
		Budget: g.budget(), Clock: clock, Log: g.log,
	})
	if err != nil {
		return err
	}
	g.writer, g.control, g.states = g.streams, g.streams, g.streams
	if g.site == nil {
		return nil
	}
	if err := g.wireCarrier(); err != nil {
		return err
	}
	g.store.SetMender(g.mend)
	g.store.SetUnread(g.unread)
	g.writer, g.control, g.states = g.site.carrier.Writer(false), g.site.carrier.Control(), g.site.carrier.States(false)
	return nil
}

func (g *Gateway) wireAPI(limits quota.Limits) (err error) {
	if err := g.openKeys(); err != nil {
		return err
	}
	g.audit = &audit{gateway: g.name(), writer: g.writer, control: g.control, user: g.userOf, now: g.now, log: g.log, alike: map[likeness]*AuditLine{}}
	if g.site != nil { // what is done while the peers are away is told as well
		g.audit.writer = g.site.carrier.Writer(true)
	}
	c := kinesisapi.Config{Writer: g.writer, Reader: g.store, Catalog: g.store, Control: g.control, States: g.states, Channels: kinesisChannels{g.deliveries}, Limits: limits, Now: g.now}
	if g.site != nil {
		c.Tip, c.Allowance = g.tip, peerAllowance
	}
	g.kinesis, err = kinesisapi.New(c)
	if err != nil {
		return err
	}
	g.firehose, err = firehoseapi.New(firehoseapi.Config{Writer: g.writer, Catalog: g.store, Deliveries: firehoseDeliveries{g.deliveries}, Now: g.now})
	if err != nil {
		return err
	}
	if err := g.wireVideo(); err != nil {
		return err
	}
	leases, err := dynamoapi.New(dynamoapi.Config{States: g.states, Shared: func() bool { return g.site != nil }, Now: g.now})
	if err != nil {
		return err
	}
	g.watch = cloudwatchapi.New(g.now)
	g.door, err = awsapi.New(awsapi.Config{
		Services: []awsapi.Service{g.kinesis.Service(), g.firehose.Service(), g.video.Service(), leases.Service(), g.watch.Service(), g.things.Service()}, Keys: g.keys, Open: g.config.Open, ClockTrusted: g.clockTrusted,
		Authorize: g.authorize, Audit: g.audit.tell, Log: g.log,
	})
	return err
}

// scaling scales the on-demand streams while this gateway leads.
func (g *Gateway) scaling() *kinesisapi.Scaling {
	return &kinesisapi.Scaling{API: g.kinesis, Window: time.Duration(g.config.OnDemandWindow), Log: g.log, Loads: g.streams.Loads}
}

// tip is the place behind the last record of a shard, as the leader knows it.
func (g *Gateway) tip(ctx context.Context, shard shardlog.ShardID) (shardlog.Seq, error) {
	last, err := g.site.carrier.Tip(ctx, shard)
	return last + 1, err
}

// clockTrusted reports whether the age of a signature can be judged.
func (g *Gateway) clockTrusted() bool { return g.streams.Clock().Trusted() }

// quota is the limits as shards have them.
func (l Limits) quota() quota.Limits {
	if l == 0 {
		return quota.Limits{Off: true}
	}
	scale := func(n int) int { return max(1, int(float64(n)*float64(l))) }
	return quota.Limits{RecordsIn: scale(shardlog.ShardRecordsIn), BytesIn: scale(shardlog.ShardBytesIn),
		ReadsOut: scale(shardlog.ShardReadsOut), BytesOut: scale(shardlog.ShardBytesOut)}
}

// peerAllowance is how far the clocks of gateways may lie apart for tokens.
const peerAllowance = 5 * time.Minute

// identity is who this gateway is: random, made once for each data folder.
// fresh says that it has just been made.
func identity(s *store.Store) (id, incarnation uint64, fresh bool, err error) {
	const key = "gateway/identity"
	b, err := s.Local(key)
	if shardlog.KindOf(err) == shardlog.NotFound && err != nil {
		b, fresh = make([]byte, 16), true
		rand.Read(b) // never fails
		err = s.SetLocal(key, b)
	}
	if err != nil || len(b) != 16 {
		return 0, 0, false, errors.Join(shardlog.Errorf(shardlog.Corrupt, "read identity", "%d bytes", len(b)), err)
	}
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), fresh, nil
}

// random is a number that nobody can guess.
func random() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}

// FirstKey is the key pair that was made because there was none, nil when
// there was one. Its secret is shown nowhere else.
func (g *Gateway) FirstKey() *access.KeyPair { return g.firstKey }

// Ready is closed when the doors are open and records are taken.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// Addresses are where the doors are. It is called after Ready.
func (g *Gateway) Addresses() Addresses { return g.addresses }

// Close closes a Gateway that was never run.
func (g *Gateway) Close() error {
	return errors.Join(g.closePeers(), g.store.Close())
}
