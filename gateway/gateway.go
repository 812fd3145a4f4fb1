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
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"headgate/firehose/delivery"
	"headgate/gateway/access"
	"headgate/gateway/awsapi"
	"headgate/gateway/kinesisapi"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/store"
	"headgate/shardlog/streams"
	"headgate/sync/raftgroup"
)

// ErrDisk is what Run answers when a write or sync failed: nothing may be
// acknowledged after it, so the process must end and be started again.
var ErrDisk = errors.New("the disk refused a write or a sync")

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
	mqtt       *mqtt.Server // nil: off
	kinesis    *kinesisapi.API
	door       *awsapi.Door
	firstKey   *access.KeyPair
	deliveries []*delivery.Delivery
	rates      rates

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
	MQTT    string `json:"mqtt,omitempty"`
	Console string `json:"console,omitempty"`
	Socket  string `json:"socket"`
}

// New opens the store and wires the rooms over it. Nothing runs yet; a
// Gateway that is never run must be closed.
func New(c Config) (*Gateway, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	g := &Gateway{config: c, began: time.Now(), fatal: make(chan error, 1), made: make(chan struct{}), ready: make(chan struct{}), level: new(slog.LevelVar)}
	g.log = newLogger(c.Log, g.level)
	g.limitMemory()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	s, err := store.Open(c.Data, store.Options{Log: g.log, Fatal: g.die})
	if err != nil {
		return nil, explainOpen(c.Data, err)
	}
	g.store = s
	if err := g.wire(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return g, nil
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
	id, incarnation, err := identity(g.store)
	if err != nil {
		return err
	}
	g.id = id
	limits := g.config.Limits.quota()
	g.group, err = raftgroup.Open(raftgroup.Config{
		ID: fmt.Sprintf("%016x", id), Machine: g.store, Journal: g.store.Journal(), Locals: g.store, Snapshots: g.store,
		Log: g.log, Fatal: g.die,
	})
	if err != nil {
		return err
	}
	g.streams, err = streams.New(streams.Config{
		Gateway: id, Incarnation: incarnation, Proposer: g.group, Catalog: g.store, States: g.store, Ground: g.store, Gaps: g.store,
		Limits: limits, SyncsPerSecond: g.config.Profile.SyncsPerSecond(), Budget: streams.Budget{Bytes: uint64(g.config.Budget)}, Log: g.log,
	})
	if err != nil {
		return err
	}
	if err := g.wireAPI(limits); err != nil {
		return err
	}
	if err := g.wireMQTT(); err != nil {
		return err
	}
	return g.wireDeliveries()
}

func (g *Gateway) wireAPI(limits quota.Limits) error {
	keys, first, err := access.OpenKeys(filepath.Join(g.config.Data, "keys"))
	if err != nil {
		return err
	}
	g.firstKey = first
	g.kinesis, err = kinesisapi.New(kinesisapi.Config{Writer: g.streams, Reader: g.store, Catalog: g.store, Control: g.streams, States: g.streams, Limits: limits})
	if err != nil {
		return err
	}
	g.door, err = awsapi.New(awsapi.Config{
		Services: []awsapi.Service{g.kinesis.Service()}, Keys: keys, Open: g.config.Open, ClockTrusted: g.clockTrusted, Log: g.log,
	})
	return err
}

// clockTrusted reports whether the age of a signature can be judged.
func (g *Gateway) clockTrusted() bool { return g.streams.Clock().Trusted() }

func (g *Gateway) wireMQTT() error {
	if g.config.MQTT == off {
		return nil
	}
	routes, err := g.config.routes()
	if err != nil {
		return err
	}
	c := mqtt.Config{Listen: []string{g.config.MQTT}, Writer: g.streams, Control: g.streams, States: g.streams, Routes: routes, Log: g.log}
	if g.config.InsecureLAN {
		c.Authenticate = func(mqtt.Login) bool { return true }
	}
	g.mqtt, err = mqtt.New(c)
	return err
}

// quota is the limits as shards have them.
func (l Limits) quota() quota.Limits {
	if l == 0 {
		return quota.Limits{Off: true}
	}
	scale := func(n int) int { return max(1, int(float64(n)*float64(l))) }
	return quota.Limits{RecordsIn: scale(shardlog.ShardRecordsIn), BytesIn: scale(shardlog.ShardBytesIn),
		ReadsOut: scale(shardlog.ShardReadsOut), BytesOut: scale(shardlog.ShardBytesOut)}
}

// identity is who this gateway is: random, made once for each data folder.
func identity(s *store.Store) (id, incarnation uint64, err error) {
	const key = "gateway/identity"
	b, err := s.Local(key)
	if shardlog.KindOf(err) == shardlog.NotFound && err != nil {
		b = make([]byte, 16)
		if _, err := rand.Read(b); err != nil {
			return 0, 0, fmt.Errorf("make identity: %w", err)
		}
		err = s.SetLocal(key, b)
	}
	if err != nil || len(b) != 16 {
		return 0, 0, errors.Join(shardlog.Errorf(shardlog.Corrupt, "read identity", "%d bytes", len(b)), err)
	}
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), nil
}

// FirstKey is the key pair that was made because there was none, nil when
// there was one. Its secret is shown nowhere else.
func (g *Gateway) FirstKey() *access.KeyPair { return g.firstKey }

// Ready is closed when the doors are open and records are taken.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// Addresses are where the doors are. It is called after Ready.
func (g *Gateway) Addresses() Addresses { return g.addresses }

// Close closes a Gateway that was never run.
func (g *Gateway) Close() error { return g.store.Close() }
