package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// work is something that runs until its context ends.
type work func(ctx context.Context) error

// Run runs the gateway until ctx ends, then closes it, from the doors inward:
// what was accepted is still stored and answered. It answers ErrDisk at once
// when the disk failed; then the process should end without further ado.
func (g *Gateway) Run(ctx context.Context) error {
	if err := g.open(); err != nil {
		return errors.Join(err, g.Close())
	}
	done := make(chan error, 1)
	go func() {
		err := nest(ctx, g.links(), g.replication(), g.carriage(), g.duties(), g.records(), g.doors())
		done <- errors.Join(err, g.store.Close())
	}()
	select {
	case err := <-g.fatal:
		return fmt.Errorf("%w: %w", ErrDisk, err)
	case err := <-done:
		return err
	}
}

// nest runs levels of work, the outer first. When ctx ends, the innermost
// level ends first and each outer one only after it; when some work fails,
// the same happens.
func nest(ctx context.Context, levels ...[]work) error {
	if len(levels) == 0 {
		<-ctx.Done()
		return nil
	}
	outer, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	group, mine := errgroup.WithContext(outer)
	for _, w := range levels[0] {
		group.Go(func() error {
			err := w(mine)
			if mine.Err() == nil {
				cancel() // it ended by itself: the rest cannot go on
			}
			return err
		})
	}
	err := nest(inner, levels[1:]...)
	stop()
	return errors.Join(err, group.Wait())
}

// links are how the gateways of the site reach one another.
func (g *Gateway) links() []work {
	if g.site == nil {
		return nil
	}
	return []work{g.site.links.Run}
}

// replication is what everything else rests on.
func (g *Gateway) replication() []work { return []work{g.group.Run} }

// carriage brings what the doors take to the leader.
func (g *Gateway) carriage() []work {
	if g.site == nil {
		return nil
	}
	return []work{g.site.carrier.Run, g.keepNeighbours, g.keepPlace, g.repair, g.scrub, g.keepTime, g.tuneHeartbeat, g.followKeys,
		func(ctx context.Context) error { return g.group.Lead(ctx, g.group.Steward) }}
}

// duties run while this gateway leads, and outlive the doors.
func (g *Gateway) duties() []work {
	lead := func(duty work) work {
		return func(ctx context.Context) error { return g.group.Lead(ctx, duty) }
	}
	all := []work{g.devices.Run, lead(g.streams.Run), lead(g.streams.Retain), lead(g.jobs.Run), g.rates.run(g.store), g.cameras.run}
	if g.site != nil {
		return append(all, g.makeStreams) // by way of the leader
	}
	return append(all, lead(g.makeStreams))
}

// records are what is written down of the doors, to the last call.
func (g *Gateway) records() []work { return []work{g.audit.run} }

// makeStreams makes the streams of the configuration that are not there, and
// then waits for its end.
func (g *Gateway) makeStreams(ctx context.Context) error {
	for _, s := range g.config.Streams {
		g.makeStream(ctx, shardlog.StreamSpec{Name: s.Name, Shards: s.Shards, Retention: time.Duration(s.Retention)})
	}
	for _, c := range g.config.Cameras {
		g.makeStream(ctx, cameraSpec(c.Name, time.Duration(c.Retention)))
	}
	if g.mqtt != nil {
		g.makeStream(ctx, announceSpec())
	}
	g.makeOnce.Do(func() { close(g.made) })
	<-ctx.Done()
	return nil
}

// makeStream makes one, however long it takes to find a leader.
func (g *Gateway) makeStream(ctx context.Context, s shardlog.StreamSpec) {
	for {
		if _, there := g.store.Stream(s.Name); there {
			return
		}
		err := g.control.CreateStream(ctx, s)
		kind := shardlog.KindOf(err)
		switch {
		case err == nil || kind == shardlog.InUse || ctx.Err() != nil:
			return
		case kind != shardlog.Unavailable && kind != shardlog.Unknown:
			g.log.Error("stream of the configuration is not made", "stream", s.Name, "error", err)
			return
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return
		}
	}
}

// doors are what the outside reaches, and what reaches out.
func (g *Gateway) doors() []work {
	all := []work{g.serve(g.listener(0), (&admin{
		writer: g.writer, reader: g.store, catalog: g.store, control: g.control, gaps: g.store, keys: g.keys, audit: g.audit, devices: g.devices, shadows: g.shadows, jobs: g.jobs, broker: g, site: g, deliveries: g.deliveries,
		cameras: g.cameras, footage: g.ownPlayer().Handler(), status: g.Status, verify: g.verifyTo, level: g.level, now: time.Now,
		rules: &ruleAdmin{g.ruleTable, g.ruleStatus, g.describeRule},
	}).server(), 0)}
	if g.config.API != off {
		all = append(all, g.settled(g.serve(g.listener(1), g.apiServer(), leaveTime)))
	}
	if g.config.APITLS != off {
		all = append(all, g.settled(g.serve(g.listener(4), g.apiServer(), leaveTime)))
	}
	if g.config.Console != off {
		all = append(all, g.serve(g.listener(2), g.console(), leaveTime))
	}
	if g.mqtt != nil {
		all = append(all, g.settled(g.mqtt.Run))
	}
	if g.config.Collect != off {
		all = append(all, g.settled(g.serve(g.listener(5), g.collectServer(), leaveTime)))
	}
	if g.collection.syslog != nil {
		all = append(all, g.settled(g.collection.syslog.Run))
	}
	if g.config.HTTPS != off {
		all = append(all, g.serve(g.listener(3), g.secureConsole(), leaveTime))
	}
	if g.webrtc != nil {
		all = append(all, g.webrtc.Run)
	}
	for _, d := range g.deliveries.fixed {
		all = append(all, func(ctx context.Context) error { return g.group.Lead(ctx, d.Run) })
	}
	duties := []work{g.deliveries.run, g.deliveries.functions.run, g.cameras.fetch, g.scaling().Run, g.rules.Run}
	if g.site != nil {
		duties = append(duties, g.followUplink)
	}
	for _, duty := range duties {
		all = append(all, func(ctx context.Context) error { return g.group.Lead(ctx, duty) })
	}
	return append(all, g.announce)
}

// settleTime is how long doors wait for the streams of the configuration.
// Without a leader they open all the same and answer for themselves.
const settleTime = 5 * time.Second

// settled begins work once the streams of the configuration are there, so that
// no device makes one of them first, with shards of its own. Until then
// connections wait in the listener's queue.
func (g *Gateway) settled(w work) work {
	return func(ctx context.Context) error {
		late := time.NewTimer(settleTime)
		defer late.Stop()
		select {
		case <-g.made:
		case <-late.C:
		case <-ctx.Done():
		}
		return w(ctx)
	}
}

// announce says that records are taken: the streams of the configuration are
// there, or the spool stands in for a log that cannot be reached.
func (g *Gateway) announce(ctx context.Context) error {
	for !g.isMade() && !g.isIsolated() {
		if pause(ctx, 5*time.Millisecond) != nil {
			return nil
		}
	}
	close(g.ready)
	<-ctx.Done()
	return nil
}

// open opens the listeners, so that a port in use is known before anything runs.
func (g *Gateway) open() error {
	socket, err := g.openSocket()
	if err != nil {
		return err
	}
	if g.site != nil {
		g.addresses.Peer = g.site.address
	}
	g.opened = []net.Listener{socket, nil, nil, nil, nil, nil}
	for i, l := range []struct {
		name, address string
		into          *string
	}{{"api", g.config.API, &g.addresses.API}, {"console", g.config.Console, &g.addresses.Console}, {"https", g.config.HTTPS, &g.addresses.HTTPS}, {"api-tls", g.config.APITLS, &g.addresses.APITLS}, {"collect", g.config.Collect, &g.addresses.Collect}} {
		if l.address == off {
			continue
		}
		listener, err := net.Listen("tcp", l.address)
		if err != nil {
			return g.closeAll(fmt.Errorf("open %s: %w (choose another with --%s)", l.name, err, l.name))
		}
		g.opened[i+1], *l.into = listener, listener.Addr().String()
	}
	for i, address := range map[int]string{3: g.config.HTTPS, 4: g.config.APITLS} {
		if address == off {
			continue
		}
		secure, err := g.secured(g.opened[i], i == 3) // devices renew their certificates at the console's door
		if err != nil {
			return g.closeAll(err)
		}
		g.opened[i] = secure
	}
	if g.webrtc != nil {
		if err := g.webrtc.Listen(); err != nil {
			return g.closeAll(fmt.Errorf("open media: %w (choose another with --media)", err))
		}
		g.addresses.Media = g.webrtc.Addr().String()
	}
	if s := g.collection.syslog; s != nil {
		if err := s.Listen(); err != nil {
			return g.closeAll(fmt.Errorf("open syslog: %w (choose another with --syslog)", err))
		}
		at := s.Addrs()
		if g.config.Syslog != off {
			g.addresses.Syslog = at[0].String()
		}
		if g.config.SyslogTLS != off {
			g.addresses.SyslogTLS = at[len(at)-1].String()
		}
	}
	if g.mqtt != nil {
		if err := g.mqtt.Listen(); err != nil {
			return g.closeAll(fmt.Errorf("open mqtt: %w (choose another with --mqtt)", err))
		}
		at := g.mqtt.Addrs()
		if g.config.MQTT != off {
			g.addresses.MQTT = at[0].String()
		}
		if g.config.MQTTS != off {
			g.addresses.MQTTS = at[len(at)-1].String()
		}
	}
	return nil
}

func (g *Gateway) closeAll(err error) error {
	for _, l := range g.opened {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return err
}

func (g *Gateway) listener(i int) net.Listener { return g.opened[i] }

// openSocket opens the socket of the command line. A socket that lies there
// is left over: the store's lock says that no other gateway has the folder.
func (g *Gateway) openSocket() (net.Listener, error) {
	g.addresses.Socket = filepath.Join(g.config.Data, socketFile)
	name, release, err := socketName(g.config.Data)
	if err != nil {
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	defer release()
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // the name may be gone by then; the next start removes it
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("open admin socket: %w", err), l.Close())
	}
	return l, nil
}

// apiServer is a server of the AWS APIs. When it ends it does not wait for
// subscriptions, which last for minutes.
func (g *Gateway) apiServer() *http.Server {
	server := awsapi.NewServer(g.api())
	server.RegisterOnShutdown(g.kinesis.EndSubscriptions)
	return server
}

// leaveTime is how long a server waits for requests under way when it ends.
const leaveTime = 5 * time.Second

// cutTime is how long a request that was cut short may take to notice.
const cutTime = 500 * time.Millisecond

// serve runs a server on a listener until ctx ends, and leaves requests under
// way so long to finish. With none they are cut short: a tail never finishes.
func (g *Gateway) serve(l net.Listener, server *http.Server, leave time.Duration) work {
	return func(ctx context.Context) error {
		server.ErrorLog = slog.NewLogLogger(g.log.Handler(), slog.LevelDebug)
		server.BaseContext = func(net.Listener) context.Context {
			if leave == 0 {
				return ctx
			}
			return context.WithoutCancel(ctx)
		}
		group := errgroup.Group{}
		ended := make(chan struct{})
		group.Go(func() error {
			defer close(ended)
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %v: %w", l.Addr(), err)
			}
			return nil
		})
		select {
		case <-ctx.Done():
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(leave, cutTime))
			defer cancel()
			if server.Shutdown(late) != nil {
				_ = server.Close() // whoever is still there has had time
			}
		case <-ended:
		}
		return group.Wait()
	}
}
