package gateway

import (
	"context"
	"errors"
	"fmt"
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
		return errors.Join(err, g.store.Close())
	}
	done := make(chan error, 1)
	go func() {
		err := nest(ctx, g.replication(), g.duties(), g.doors())
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

// replication is what everything else rests on.
func (g *Gateway) replication() []work { return []work{g.group.Run} }

// duties run while this gateway leads, and outlive the doors.
func (g *Gateway) duties() []work {
	lead := func(duty work) work {
		return func(ctx context.Context) error { return g.group.Lead(ctx, duty) }
	}
	return []work{lead(g.streams.Run), lead(g.streams.Retain), lead(g.makeStreams), g.rates.run(g.store)}
}

// makeStreams makes the streams of the configuration that are not there, and
// then waits for its end.
func (g *Gateway) makeStreams(ctx context.Context) error {
	for _, s := range g.config.Streams {
		err := g.streams.CreateStream(ctx, shardlog.StreamSpec{Name: s.Name, Shards: s.Shards, Retention: time.Duration(s.Retention)})
		if err != nil && shardlog.KindOf(err) != shardlog.InUse && ctx.Err() == nil {
			g.log.Error("stream of the configuration is not made", "stream", s.Name, "error", err)
		}
	}
	g.madeOnce.Do(func() { close(g.made) })
	<-ctx.Done()
	return nil
}

// doors are what the outside reaches, and what reaches out.
func (g *Gateway) doors() []work {
	all := []work{g.serve(g.listener(0), (&admin{
		writer: g.streams, reader: g.store, catalog: g.store, control: g.streams, gaps: g.store,
		status: g.Status, verify: g.verifyTo, level: g.level, now: time.Now,
	}).server())}
	if g.config.API != off {
		all = append(all, g.serve(g.listener(1), awsapi.NewServer(g.door)))
	}
	if g.config.Console != off {
		all = append(all, g.serve(g.listener(2), g.console()))
	}
	if g.mqtt != nil {
		all = append(all, g.mqtt.Run)
	}
	for _, d := range g.deliveries {
		all = append(all, func(ctx context.Context) error { return g.group.Lead(ctx, d.Run) })
	}
	return append(all, g.announce)
}

// announce says that the doors are open once records can be taken.
func (g *Gateway) announce(ctx context.Context) error {
	select {
	case <-g.made:
		close(g.ready)
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil
}

// open opens the listeners, so that a port in use is known before anything runs.
func (g *Gateway) open() error {
	socket, err := g.openSocket()
	if err != nil {
		return err
	}
	g.opened = []net.Listener{socket, nil, nil}
	for i, l := range []struct {
		name, address string
		into          *string
	}{{"api", g.config.API, &g.addresses.API}, {"console", g.config.Console, &g.addresses.Console}} {
		if l.address == off {
			continue
		}
		listener, err := net.Listen("tcp", l.address)
		if err != nil {
			return g.closeAll(fmt.Errorf("open %s: %w (choose another with --%s)", l.name, err, l.name))
		}
		g.opened[i+1], *l.into = listener, listener.Addr().String()
	}
	if g.mqtt != nil {
		if err := g.mqtt.Listen(); err != nil {
			return g.closeAll(fmt.Errorf("open mqtt: %w (choose another with --mqtt)", err))
		}
		g.addresses.MQTT = g.mqtt.Addr().String()
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

// openSocket opens the socket of the command line. A socket that nobody
// answers on is left over: the store's lock says that no gateway has it.
func (g *Gateway) openSocket() (net.Listener, error) {
	g.addresses.Socket = filepath.Join(g.config.Data, socketName)
	if err := os.Remove(g.addresses.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	l, err := net.Listen("unix", g.addresses.Socket)
	if err != nil {
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	if err := os.Chmod(g.addresses.Socket, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("open admin socket: %w", err), l.Close())
	}
	return l, nil
}

const socketName = "admin.sock"

// leaveTime is how long a server waits for requests under way when it ends.
const leaveTime = 5 * time.Second

// serve runs a server on a listener until ctx ends.
func (g *Gateway) serve(l net.Listener, server *http.Server) work {
	return func(ctx context.Context) error {
		server.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(ctx) }
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
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
			defer cancel()
			if server.Shutdown(late) != nil {
				_ = server.Close() // whoever is still there has had time
			}
		case <-ended:
		}
		return group.Wait()
	}
}
