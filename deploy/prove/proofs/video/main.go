// Command video proves that footage is kept: what a simulated camera sends
// over a lossy way is recorded whole and seen live with little delay; a gateway
// that is killed loses no more than the open part; and of three gateways the
// two that are left serve the same clip, byte for byte. It ends with 0 when
// all of this held.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"headgate/firmware-sim/camera"
)

type options struct {
	headgate string
	long     time.Duration // of each recording
	kills    int
	loss     float64
	cameras  int
}

func main() {
	var o options
	full := flag.Bool("full", false, "the long form: four cameras, a minute each, ten kills")
	flag.StringVar(&o.headgate, "headgate", "", "path of the headgate binary")
	flag.DurationVar(&o.long, "for", 9*time.Second, "how long a camera films")
	flag.IntVar(&o.kills, "kills", 1, "times a gateway of three is killed")
	flag.Float64Var(&o.loss, "loss", 0.05, "share of the packets that is lost")
	flag.Parse()
	o.cameras = 1
	if *full {
		o.long, o.kills, o.cameras = time.Minute, 10, 4
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := prove(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "video: not proven:", err)
		os.Exit(1)
	}
	fmt.Println("video: proven")
}

func prove(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "video-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := lossy(ctx, o, dir); err != nil {
		return err
	}
	return outlived(ctx, o, dir)
}

// figures of one recording.
type figures struct {
	sent, recorded int
	delays         []time.Duration
	stats          camera.Stats
}

// lossy records cameras over a way that loses packets, and watches them.
func lossy(ctx context.Context, o options, dir string) error {
	g, err := newGateway(o.headgate, dir, "alone")
	if err != nil {
		return err
	}
	if err := g.start(ctx, ""); err != nil {
		return err
	}
	defer g.stop()
	all := make([]figures, o.cameras)
	errs := make(chan error, o.cameras)
	for i := range all {
		go func() { errs <- g.record(ctx, o, fmt.Sprint("camera", i+1), &all[i]) }()
	}
	for range all {
		if err := <-errs; err != nil {
			return err
		}
	}
	st, err := g.status(ctx)
	if err != nil {
		return err
	}
	var sum figures
	for _, f := range all {
		sum.sent, sum.recorded, sum.delays = sum.sent+f.sent, sum.recorded+f.recorded, append(sum.delays, f.delays...)
		sum.stats = sum.stats.Plus(f.stats)
	}
	slices.Sort(sum.delays)
	perByte := float64(st.Disk.Written) / float64(st.media())
	perLoss := float64(sum.stats.Requested) / float64(max(1, sum.stats.Dropped))
	fmt.Printf("frames sent %d, recorded %d, incomplete %d\n", sum.sent, sum.recorded, st.incomplete())
	fmt.Printf("packets lost on the way %d, requested %d (%.2f a loss), never recovered %d\n", sum.stats.Dropped, sum.stats.Requested, perLoss, st.WebRTC.Lost)
	if len(sum.delays) == 0 {
		return fmt.Errorf("the viewer saw nothing")
	}
	p50, p95 := sum.delays[len(sum.delays)/2], sum.delays[len(sum.delays)*95/100]
	fmt.Printf("from camera to viewer (last packet of a picture) %v at the median, %v at the 95th percentile\n", p50.Round(100*time.Microsecond), p95.Round(100*time.Microsecond))
	fmt.Printf("bytes passed to write per byte of footage %.2f\n", perByte)
	switch {
	case sum.recorded < sum.sent || st.incomplete() > 0 || st.WebRTC.Lost > 0:
		return fmt.Errorf("footage is missing")
	case perLoss >= 2:
		return fmt.Errorf("%.2f requests for each lost packet", perLoss)
	case perByte > 2.1:
		return fmt.Errorf("%.2f bytes written for each byte of footage", perByte)
	}
	return nil
}

// record lets one camera film and a viewer watch. Frames of the last second
// are not counted: what is lost then may be asked for too late.
func (g *gateway) record(ctx context.Context, o options, name string, f *figures) error {
	cam, err := camera.New(camera.Config{Endpoint: g.url("whip", name), Video: camera.Video{BitsPerSecond: 4_200_000}, Loss: camera.Loss{Share: o.loss}})
	if err != nil {
		return err
	}
	filming, stop := context.WithTimeout(ctx, o.long)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- cam.Run(filming) }()
	viewer := &camera.Viewer{Endpoint: g.url("whep", name)}
	if err := wait(ctx, 2*time.Second); err != nil {
		return err
	}
	watching, leave := context.WithTimeout(ctx, o.long-3*time.Second)
	defer leave()
	if err := viewer.Run(watching); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	if err := <-done; err != nil {
		return err
	}
	if err := g.settle(ctx); err != nil {
		return err
	}
	ledger := cam.Ledger()
	end := ledger[len(ledger)-1].UnixMilli - 1000
	m, err := g.clip(ctx, name, ledger[0].UnixMilli-1000, end)
	if err != nil {
		return err
	}
	for _, one := range ledger {
		if one.UnixMilli < end-50 { // sender and gateway agree on times to a few milliseconds
			f.sent++
		}
	}
	f.recorded, f.delays, f.stats = m.Frames["video"], viewer.Delays(ledger), cam.Stats()
	return nil
}

// outlived films into a site of three and kills the gateway that is filmed
// into, again and again.
func outlived(ctx context.Context, o options, dir string) error {
	var site []*gateway
	for i := range 3 {
		g, err := newGateway(o.headgate, dir, fmt.Sprint("site", i+1))
		if err != nil {
			return err
		}
		defer g.stop()
		code := ""
		if i > 0 {
			if code, err = site[0].run(ctx, "invite"); err != nil {
				return err
			}
		}
		if err := g.start(ctx, code); err != nil {
			return err
		}
		site = append(site, g)
	}
	for _, g := range site {
		if err := g.await(ctx, func(st status) bool { return st.Site.Voters == 3 }); err != nil {
			return err
		}
	}
	for kill := range o.kills {
		if err := killed(ctx, o, site, kill); err != nil {
			return err
		}
	}
	return nil
}

// killed films for a while, kills the gateway, and compares the others' clips.
func killed(ctx context.Context, o options, site []*gateway, kill int) error {
	victim := site[kill%len(site)]
	others := slices.DeleteFunc(slices.Clone(site), func(g *gateway) bool { return g == victim })
	name := fmt.Sprint("killed", kill+1)
	cam, err := camera.New(camera.Config{Endpoint: victim.url("whip", name), Video: camera.Video{BitsPerSecond: 4_200_000}})
	if err != nil {
		return err
	}
	filming, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- cam.Run(filming) }()
	if err := wait(ctx, min(o.long, 8*time.Second)); err != nil {
		return err
	}
	victim.stop()
	at := time.Now()
	stop()
	if err := <-done; err != nil {
		return err
	}
	for _, g := range others {
		if err := g.await(ctx, func(st status) bool { return st.Health.Ready && st.Site.Leader != "" && st.Site.Leader != victim.id }); err != nil {
			return err
		}
	}
	var clips []manifest
	for _, g := range others {
		m, err := g.clip(ctx, name, at.Add(-time.Minute).UnixMilli(), at.UnixMilli())
		if err != nil {
			return err
		}
		clips = append(clips, m)
	}
	sent := 0
	for _, f := range cam.Ledger() {
		if f.UnixMilli <= clips[0].LastFrame.UnixMilli() {
			sent++
		}
	}
	lost := at.Sub(clips[0].LastFrame)
	fmt.Printf("kill %d: clips of %d frames, %d bytes, the same on both: %v; of %d sent by then; footage ends %v before the kill\n",
		kill+1, clips[0].Frames["video"], clips[0].Bytes, clips[0].SHA256 == clips[1].SHA256, sent, lost.Round(time.Millisecond))
	switch {
	case clips[0].SHA256 != clips[1].SHA256:
		return fmt.Errorf("the gateways' clips differ")
	case clips[0].Frames["video"] < sent-1:
		return fmt.Errorf("frames are missing")
	case lost > 3*time.Second:
		return fmt.Errorf("%v of footage are lost", lost)
	}
	return victim.start(ctx, "")
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
