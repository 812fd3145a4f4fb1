// Command media measures what a 720p30 stream and a viewer cost Headgate, and
// MediaMTX beside it, both recording to disk; and how long pictures take from
// the camera to the viewer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/deploy/bench/internal/child"
	"headgate/firmware-sim/camera"
)

type options struct {
	headgate, mediamtx string
	rounds             int
	long               time.Duration
	bits               int
}

func main() {
	var o options
	flag.StringVar(&o.headgate, "headgate", "", "path of the binary; empty: built from this source")
	flag.StringVar(&o.mediamtx, "mediamtx", child.Peer("mediamtx"), "path of MediaMTX (deploy/peers/mediamtx/build)")
	flag.IntVar(&o.rounds, "rounds", 2, "how often each is measured")
	flag.DurationVar(&o.long, "for", 20*time.Second, "how long each is measured")
	flag.IntVar(&o.bits, "bits", 4_200_000, "bits a second of each stream")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "media:", err)
		os.Exit(1)
	}
}

// task is how many cameras and how many viewers of the first one.
type task struct{ cameras, viewers int }

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "media-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.headgate == "" {
		if o.headgate, err = child.Build(dir, ".", "./cmd/headgate", "headgate"); err != nil {
			return err
		}
	}
	systems := []system{headgate{o.headgate}}
	if _, err := os.Stat(o.mediamtx); err == nil {
		systems = append(systems, mediamtx{o.mediamtx})
	} else {
		fmt.Println("MediaMTX is not there: deploy/peers/mediamtx/build", o.mediamtx)
	}
	fmt.Printf("%-10s %7s %7s %8s %12s %8s %10s %10s %8s %8s\n", "system", "cameras", "viewers", "CPU %", "CPU % each", "RSS MB", "media MB", "disk/media", "p50 ms", "p95 ms")
	for range o.rounds {
		for _, t := range []task{{1, 0}, {4, 0}, {1, 1}, {1, 5}} {
			for i, s := range systems {
				if err := measure(ctx, o, s, t, filepath.Join(dir, fmt.Sprintf("%d-%d-%d-%d", i, t.cameras, t.viewers, time.Now().UnixNano()))); err != nil {
					return fmt.Errorf("%s: %w", s.name(), err)
				}
			}
		}
	}
	return nil
}

// system is what is measured.
type system interface {
	name() string
	// start runs it on an empty folder; urls answers where to publish and to watch.
	start(folder string) (p *child.Process, whip, whep func(camera string) string, err error)
}

func measure(ctx context.Context, o options, s system, t task, folder string) error {
	p, whip, whep, err := s.start(folder)
	if err != nil {
		return err
	}
	defer p.Stop()
	inner, stop := context.WithCancel(ctx)
	defer stop()
	group, running := errgroup.WithContext(inner)
	var cameras []*camera.Camera
	for i := range t.cameras {
		c, err := camera.New(camera.Config{Endpoint: whip(fmt.Sprint("camera", i)), Video: camera.Video{BitsPerSecond: o.bits}})
		if err != nil {
			return err
		}
		cameras = append(cameras, c)
		group.Go(func() error { return c.Run(running) })
	}
	if err := wait(ctx, 3*time.Second); err != nil {
		return err
	}
	var viewers []*camera.Viewer
	for range t.viewers {
		v := &camera.Viewer{Endpoint: whep("camera0")}
		viewers = append(viewers, v)
		group.Go(func() error { return v.Run(running) })
	}
	if err := wait(ctx, 3*time.Second); err != nil {
		return err
	}
	before, err := child.Measure(p.Pid)
	if err != nil {
		return err
	}
	sent := total(cameras)
	began := time.Now()
	if err := wait(ctx, o.long); err != nil {
		return err
	}
	after, err := child.Measure(p.Pid)
	if err != nil {
		return err
	}
	long := time.Since(began).Seconds()
	media := total(cameras) - sent
	delays := slices.Concat(collect(viewers, cameras[0])...)
	stop()
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	cpu := 100 * (after.CPU - before.CPU).Seconds() / long
	p50, p95 := "-", "-"
	if len(delays) > 0 {
		slices.Sort(delays)
		p50, p95 = text(delays[len(delays)/2]), text(delays[len(delays)*95/100])
	}
	fmt.Printf("%-10s %7d %7d %8.1f %12.1f %8.0f %10.1f %10.2f %8s %8s\n", s.name(), t.cameras, t.viewers, cpu, cpu/float64(t.cameras),
		float64(after.RSS)/1e6, media/1e6, float64(after.Device-before.Device)/media, p50, p95)
	return nil
}

func text(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }

// total is how many bytes of media cameras have sent.
func total(cameras []*camera.Camera) (bytes float64) {
	for _, c := range cameras {
		bytes += float64(c.Stats().Bytes)
	}
	return bytes
}

func collect(viewers []*camera.Viewer, from *camera.Camera) (all [][]time.Duration) {
	ledger := from.Ledger()
	for _, v := range viewers {
		all = append(all, v.Delays(ledger))
	}
	return all
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type headgate struct{ binary string }

func (headgate) name() string { return "headgate" }

func (h headgate) start(folder string) (*child.Process, func(string) string, func(string) string, error) {
	console, media, err := twoAddresses()
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := child.Start("ready", h.binary, "serve", "--open", "--data", folder, "--api", "off", "--mqtt", "off", "--console", console, "--media", media, "--log-level", "error")
	at := func(door string) func(string) string {
		return func(name string) string { return "http://" + console + "/" + door + "/" + name }
	}
	return p, at("whip"), at("whep"), err
}

type mediamtx struct{ binary string }

func (mediamtx) name() string { return "mediamtx" }

func (m mediamtx) start(folder string) (*child.Process, func(string) string, func(string) string, error) {
	web, media, err := twoAddresses()
	if err != nil {
		return nil, nil, nil, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, nil, nil, err
	}
	settings := fmt.Sprintf(`logLevel: warn
rtsp: no
rtmp: no
hls: no
srt: no
api: no
moq: no
webrtc: yes
webrtcAddress: %s
webrtcEncryption: no
webrtcLocalUDPAddress: %s
webrtcLocalTCPAddress: ''
webrtcIPsFromInterfaces: no
webrtcAdditionalHosts: [127.0.0.1]
pathDefaults:
  record: yes
  recordPath: %s/%%path/%%Y-%%m-%%d_%%H-%%M-%%S-%%f
  recordFormat: fmp4
paths:
  all_others:
`, web, media, folder)
	file := filepath.Join(folder, "mediamtx.yml")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		return nil, nil, nil, err
	}
	p, err := child.Start("", m.binary, file)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := child.Listening(web); err != nil {
		p.Stop()
		return nil, nil, nil, fmt.Errorf("%w: %s", err, strings.Join(p.Lines(), " | "))
	}
	at := func(door string) func(string) string {
		return func(name string) string { return "http://" + web + "/" + name + "/" + door }
	}
	return p, at("whip"), at("whep"), nil
}

func twoAddresses() (a, b string, err error) {
	if a, err = child.FreeAddress(); err != nil {
		return "", "", err
	}
	b, err = child.FreeAddress()
	return a, b, err
}
