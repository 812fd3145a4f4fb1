// Command nats is the NATS JetStream peer of the benchmarks: servers in this
// process that sync every write before they acknowledge it. It knows nothing
// of Headgate; whoever compares the two starts both.
//
//	nats bench --dir DIR [--nodes 3] [--streams 16] [--writers 64] [--size 4096] [--for 6s]
//	nats site  --dir DIR [--streams 16] [--failovers 20] [--away 64] [--idle 10s]
//	nats mqtt  --dir DIR --addr 127.0.0.1:1884
//
// bench and site print one JSON object. site runs three servers as processes
// (nats serve), looks at them while they are idle, kills the leader of a stream
// again and again, and lets one catch up. mqtt prints "ready mqtt ADDR" once clients
// may connect, and serves until it is interrupted or its input ends.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("bench, site or mqtt is wanted")
	}
	flags := flag.NewFlagSet("nats "+args[0], flag.ExitOnError)
	dir := flags.String("dir", "", "where the servers store")
	switch args[0] {
	case "bench":
		b := bench{}
		flags.IntVar(&b.nodes, "nodes", 3, "servers, and replicas of each stream")
		flags.IntVar(&b.streams, "streams", 16, "streams")
		flags.IntVar(&b.writers, "writers", 64, "writers, each with one message in flight")
		flags.IntVar(&b.size, "size", 4096, "bytes of a message")
		flags.StringVar(&b.payloads, "payloads", "", "a file of messages, one a line; the default is noise")
		flags.DurationVar(&b.length, "for", defaultLength, "how long")
		if err := parse(flags, args[1:], dir); err != nil {
			return err
		}
		b.dir = *dir
		return b.run(ctx)
	case "mqtt":
		addr := flags.String("addr", "127.0.0.1:1884", "where MQTT clients connect")
		if err := parse(flags, args[1:], dir); err != nil {
			return err
		}
		return serveMQTT(ctx, *dir, *addr)
	case "site":
		s := site{}
		flags.IntVar(&s.streams, "streams", 16, "streams")
		flags.IntVar(&s.failovers, "failovers", 20, "times a leader is killed")
		flags.IntVar(&s.missed, "away", 64, "MB that a server misses while it is away")
		flags.DurationVar(&s.idle, "idle", 10*time.Second, "how long to look at an idle cluster")
		if err := parse(flags, args[1:], dir); err != nil {
			return err
		}
		s.dir = *dir
		return s.run(ctx)
	case "serve":
		s := serve{}
		flags.StringVar(&s.name, "name", "", "name of the server")
		flags.IntVar(&s.client, "client", 0, "port of its clients")
		flags.IntVar(&s.cluster, "cluster", 0, "port of its peers")
		flags.StringVar(&s.routes, "routes", "", "addresses of all peers, with commas")
		if err := parse(flags, args[1:], dir); err != nil {
			return err
		}
		s.dir = *dir
		return s.run(ctx)
	}
	return fmt.Errorf("unknown mode %q", args[0])
}

func parse(flags *flag.FlagSet, args []string, dir *string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" {
		return fmt.Errorf("--dir is wanted")
	}
	return nil
}
