package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/firehose/sink/stream"
	"headgate/firehose/uplink"
	"headgate/shardlog"
)

// deliveries runs what is delivered: the deliveries of the configuration file,
// and those that are replicated state, which come, change and go while the
// gateway runs.
type deliveries struct {
	config  *Config
	reader  shardlog.Reader
	catalog shardlog.Catalog
	own     leading          // of the leader: for the deliveries themselves
	states  shardlog.States  // by way of the leader: for their specs
	control shardlog.Control // by way of the leader
	cut     *atomic.Bool
	log     *slog.Logger

	link      *uplink.Uplink
	functions *hosted              // what transforms call; set once
	fixed     []*delivery.Delivery // of the file; set once
	kick      chan struct{}        // of capacity 1: a spec changed here

	mu      sync.Mutex
	running map[string]*running // guarded by mu; changed by run alone
}

// leading is the log of the gateway that leads.
type leading interface {
	shardlog.Writer
	shardlog.Control
	shardlog.States
}

// running is one stored delivery on the gateway that leads.
type running struct {
	document string
	d        *delivery.Delivery // nil: it could not be opened
	sink     firehose.Sink
	fault    error // why not
	tried    time.Time
	stop     context.CancelFunc
	done     chan struct{} // closed when d has ended
}

// How often the leader looks for changes that were made elsewhere, and tries
// again what could not be opened.
const (
	lookEvery   = time.Second
	reopenEvery = 10 * time.Second
)

func (g *Gateway) wireDeliveries() error {
	functions, err := g.openFunctions()
	if err != nil {
		return err
	}
	limits, err := g.config.Uplink.config()
	if err != nil {
		return err
	}
	limits.States = g.states
	link, err := uplink.New(limits)
	if err != nil {
		return err
	}
	g.deliveries = &deliveries{
		config: &g.config, reader: g.store, catalog: g.store, own: g.streams, states: g.states, control: g.control,
		cut: &g.uplinkCut, log: g.log, kick: make(chan struct{}, 1), running: map[string]*running{},
		functions: functions, link: link,
	}
	for i := range g.config.Deliveries {
		c := &g.config.Deliveries[i]
		d, _, err := g.deliveries.open(c)
		if err != nil {
			return fmt.Errorf("delivery %s: %w", c.Name, err)
		}
		g.deliveries.fixed = append(g.deliveries.fixed, d)
	}
	return nil
}

// open makes a delivery with its sink. It asks nobody and starts nothing.
func (m *deliveries) open(c *DeliveryConfig) (*delivery.Delivery, firehose.Sink, error) {
	w := m.way(c)
	sink, err := c.open(w)
	if err != nil {
		return nil, nil, err
	}
	refused, err := m.errors(c, w)
	if err != nil {
		_ = sink.Close() // nothing was sent through it
		return nil, nil, fmt.Errorf("open the error output: %w", err)
	}
	change, text, err := c.transforms(m.functions.find)
	if err != nil {
		_ = sink.Close() // nothing was sent through it
		return nil, nil, err
	}
	both := outlets{admitted{sink, w.lane, m.cut}, refused}
	d, err := delivery.New(delivery.Config{
		Spec: c.spec(), Reader: m.reader, Catalog: m.catalog, States: m.own, Sink: both.Sink, Errors: refused, Encoder: encode.New, Log: m.log,
		Transform: change, TransformSpec: text, Uptime: w.lane.Uptime,
	})
	if err != nil {
		_ = both.Close() // nothing was sent through them
	}
	return d, both, err
}

// way is how a delivery gets out. What stays on this machine goes over no link.
func (m *deliveries) way(c *DeliveryConfig) *way {
	priority := c.Priority
	if c.Local != nil || c.Function != nil && c.Function.URL == "" {
		priority = uplink.Free
	}
	return &way{config: m.config, functions: m.functions, name: c.Name, lane: m.link.Lane(c.Name, priority)}
}

// errors is where the error records of a delivery go: into its backup bucket,
// or a stream of the site. Nil: beside its objects.
func (m *deliveries) errors(c *DeliveryConfig, w *way) (firehose.Sink, error) {
	switch c.kind() {
	case "local", "s3", "redshift":
		if c.Backup == nil {
			return nil, nil
		}
	}
	if c.Backup != nil {
		s, err := c.Backup.open(w)
		if err != nil {
			return nil, err
		}
		return admitted{s, w.lane, m.cut}, nil
	}
	return stream.Open(stream.Config{Stream: shardlog.StreamName(c.Name + ".errors"), Writer: m.own, Control: m.own, States: m.own})
}

// outlets are a delivery's sink and where what it refuses goes.
type outlets struct {
	firehose.Sink
	refused firehose.Sink // nil: to the sink too
}

// Close closes both.
func (o outlets) Close() error {
	if o.refused == nil {
		return o.Sink.Close()
	}
	return errors.Join(o.Sink.Close(), o.refused.Close())
}

// run runs the stored deliveries until ctx ends. It is the leader's.
func (m *deliveries) run(ctx context.Context) error {
	var group errgroup.Group
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		m.look(ctx, &group)
		select {
		case <-tick.C:
		case <-m.kick:
		case <-ctx.Done():
		}
	}
	err := group.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, r := range m.running {
		m.close(name, r)
	}
	clear(m.running)
	return err
}

// look makes what runs into what is wanted.
func (m *deliveries) look(ctx context.Context, group *errgroup.Group) {
	wanted, err := m.list(ctx)
	if err != nil {
		return // ctx has ended
	}
	for name, r := range m.now() {
		w, ok := wanted[name]
		reopen := r.d == nil && time.Since(r.tried) > reopenEvery
		if !ok || w.Deleting || w.Document != r.document || reopen {
			m.end(name, r)
		}
	}
	for name, w := range wanted {
		switch {
		case w.Deleting:
			if err := m.finish(ctx, name, w); err != nil && ctx.Err() == nil {
				m.log.Warn("delete delivery", "name", name, "error", err)
			}
		case m.now()[name] == nil:
			m.begin(ctx, group, name, w)
		}
	}
}

// now is what runs, as it is at this moment.
func (m *deliveries) now() map[string]*running {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]*running, len(m.running))
	for name, r := range m.running {
		all[name] = r
	}
	return all
}

// begin starts a delivery, or keeps why it cannot be started.
func (m *deliveries) begin(ctx context.Context, group *errgroup.Group, name string, w storedDelivery) {
	r := &running{document: w.Document, tried: time.Now(), done: make(chan struct{}), stop: func() {}}
	c, err := m.parse(name, w)
	switch {
	case err != nil:
		r.fault = err
	case m.isFixed(name):
		r.fault = fmt.Errorf("the configuration file has a delivery of this name: rename one of them")
	default:
		r.d, r.sink, r.fault = m.open(c)
	}
	if r.fault != nil {
		r.d = nil
		close(r.done)
		m.log.Warn("delivery is held", "name", name, "error", r.fault)
	} else {
		var mine context.Context
		mine, r.stop = context.WithCancel(ctx)
		group.Go(func() error {
			defer close(r.done)
			return r.d.Run(mine)
		})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running[name] = r
}

// end stops a delivery and waits until it has ended.
func (m *deliveries) end(name string, r *running) {
	r.stop()
	<-r.done
	m.close(name, r)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.running, name)
}

func (m *deliveries) close(name string, r *running) {
	r.stop()
	if r.sink == nil {
		return
	}
	if err := r.sink.Close(); err != nil {
		m.log.Warn("close sink", "delivery", name, "error", err)
	}
}

// finish does away with a delivery that does not run any more: what it knew,
// its own stream, and last its spec, so that a crash between them is mended by
// doing it again.
func (m *deliveries) finish(ctx context.Context, name string, w storedDelivery) error {
	if !m.isFixed(name) { // one of the file has taken the name, and its place
		if err := delivery.Forget(ctx, m.own, name); err != nil {
			return err
		}
	}
	m.link.Drop(name)
	if w.Own != "" {
		if err := m.control.DeleteStream(ctx, w.Own); err != nil && shardlog.KindOf(err) != shardlog.NotFound {
			return err
		}
	}
	return m.states.Mutate(ctx, shardlog.Mutation{Space: deliverySpace, Key: name})
}

func (m *deliveries) isFixed(name string) bool {
	for i := range m.config.Deliveries {
		if m.config.Deliveries[i].Name == name {
			return true
		}
	}
	return false
}

// changed tells the leader, if it is this gateway, not to wait for the next look.
func (m *deliveries) changed() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}
