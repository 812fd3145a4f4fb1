package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"headgate/deploy/lab"
)

// fault is something bad that can be done to a site for a while.
type fault struct {
	name    string
	network bool
	lacks   func(s *site) error // why it cannot be done here
	// do does it, on any gateway, and answers what it did and how to undo it.
	do func(s *site, random *rand.Rand) (what string, undo func() error, err error)
}

// amnesia is no fault that a gateway alone survives: it shows that the proof
// can fail. It is done only when it is asked for.
const amnesia = "amnesia"

// faults are all there are.
func faults() []*fault {
	here := func(*site) error { return nil }
	disk := func(s *site) error { return s.gateways[0].disk.why }
	return []*fault{
		{"kill", false, here, kill},
		{"blackout", false, here, blackout},
		{"stop", false, here, stand},
		{"slow-disk", false, func(s *site) error { return s.gateways[0].disk.slow.why }, slowDisk},
		{"full-disk", false, disk, fullDisk},
		{"clock", false, (*site).lacksClock, clock},
		{"partition", true, here, partition},
		{"one-way", true, here, oneWay},
		{"slow-link", true, here, slowLink},
		{amnesia, false, here, forget},
	}
}

func faultNames() (names []string) {
	for _, f := range faults() {
		names = append(names, f.name)
	}
	return names
}

// survivable are the faults that a site has to survive.
func survivable() []string {
	return slices.DeleteFunc(faultNames(), func(name string) bool { return name == amnesia })
}

func ofNetwork(all []*fault, network bool) (some []*fault) {
	for _, f := range all {
		if f.network == network {
			some = append(some, f)
		}
	}
	return some
}

// available are the faults that were asked for and can be done here. In CI
// all can.
func (s *site) available() (some []*fault, err error) {
	for _, f := range faults() {
		if !slices.Contains(s.o.faults, f.name) || f.network && s.o.gateways == 1 {
			continue
		}
		why := f.lacks(s)
		switch {
		case why == nil:
			some = append(some, f)
		case os.Getenv("CI") == "true":
			return nil, fmt.Errorf("%s: %w", f.name, why)
		default:
			fmt.Printf("%s: not shown here: %v\n", f.name, why)
		}
	}
	return some, nil
}

// torment does one fault after the other until ctx ends, and undoes each.
func (s *site) torment(ctx context.Context, random *rand.Rand, kinds []*fault) {
	if len(kinds) == 0 {
		return
	}
	for pause(ctx, between(random, 200, 1500)) == nil {
		f := kinds[random.IntN(len(kinds))]
		what, undo, err := f.do(s, random)
		if err != nil {
			what = fmt.Sprintf("%s, in vain: %v", what, err)
		}
		s.recorder.event(f.name + ": " + what)
		_ = pause(ctx, between(random, 500, 3500)) // the fault is undone all the same
		if err := undo(); err != nil {
			what = fmt.Sprintf("%s, in vain: %v", what, err)
		}
		s.recorder.event("no more " + f.name + ": " + what)
	}
}

func between(random *rand.Rand, least, most int) time.Duration {
	return time.Duration(least+random.IntN(most-least)) * time.Millisecond
}

func (s *site) victim(random *rand.Rand) *gateway { return s.gateways[random.IntN(len(s.gateways))] }

func kill(s *site, random *rand.Rand) (string, func() error, error) {
	g := s.victim(random)
	g.kill()
	return g.host.Name(), func() error { return g.start() }, nil
}

// forget kills a gateway and takes what it has stored.
func forget(s *site, random *rand.Rand) (string, func() error, error) {
	g := s.victim(random)
	g.kill()
	return g.host.Name(), func() error { return g.start() }, os.RemoveAll(g.data())
}

// blackout takes the power of the whole site.
func blackout(s *site, _ *rand.Rand) (string, func() error, error) {
	for _, g := range s.gateways {
		g.kill()
	}
	return "all", func() (err error) {
		for _, g := range s.gateways {
			err = errors.Join(err, g.start())
		}
		return err
	}, nil
}

func stand(s *site, random *rand.Rand) (string, func() error, error) {
	g := s.victim(random)
	g.signal(syscall.SIGSTOP)
	return g.host.Name(), func() error { g.signal(syscall.SIGCONT); return nil }, nil
}

func slowDisk(s *site, random *rand.Rand) (string, func() error, error) {
	g, writes := s.victim(random), 3+random.IntN(30)
	what := fmt.Sprintf("%s, %d writes a second", g.host.Name(), writes)
	return what, func() error { return g.disk.slow.set(0) }, g.disk.slow.set(writes)
}

// fullDisk leaves nothing free. A gateway may end on it, so it is started
// again when there is room.
func fullDisk(s *site, random *rand.Rand) (string, func() error, error) {
	g := s.victim(random)
	if err := g.disk.fill(); err != nil {
		return g.host.Name(), g.disk.empty, err
	}
	return g.host.Name(), func() error { return errors.Join(g.disk.empty(), g.start()) }, nil
}

// lacksClock answers an error when the binary does not let its clock be set.
func (s *site) lacksClock() error { return s.gateways[0].setClock("0s") }

// clock makes a gateway's clock wrong, and right again.
func clock(s *site, random *rand.Rand) (string, func() error, error) {
	g, offset := s.victim(random), []string{"8760h", "-8760h", "30h", "-2h", "10m", "-90s"}[random.IntN(6)]
	return g.host.Name() + " by " + offset, func() error { return g.setClock("0s") }, g.setClock(offset)
}

// setClock asks the gateway, through its socket, to add to its clock.
func (g *gateway) setClock(offset string) error {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(g.data(), "admin.sock"))
	}}}
	body := fmt.Appendf(nil, `{"offset":%q}`, offset)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://gateway/debug/clock", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // it is only for people
		return fmt.Errorf("set the clock: %s %s", resp.Status, bytes.TrimSpace(text))
	}
	return nil
}

// partition cuts a gateway off, or with four and more a pair.
func partition(s *site, random *rand.Rand) (string, func() error, error) {
	g := s.victim(random)
	s.lab.Isolate(g.host.Number())
	return g.host.Name(), func() error { s.join(g.host.Number(), true, true); return nil }, nil
}

// oneWay lets nobody hear a gateway, or the gateway nobody, or one not one
// other.
func oneWay(s *site, random *rand.Rand) (string, func() error, error) {
	n, other := 1+random.IntN(len(s.gateways)), 1+random.IntN(len(s.gateways)-1)
	if other >= n {
		other++
	}
	switch random.IntN(3) {
	case 0:
		s.each(func(m int) { s.lab.Cut(n, m) }, n)
		return fmt.Sprintf("nobody hears h%d", n), func() error { s.join(n, true, false); return nil }, nil
	case 1:
		s.each(func(m int) { s.lab.Cut(m, n) }, n)
		return fmt.Sprintf("h%d hears nobody", n), func() error { s.join(n, false, true); return nil }, nil
	default:
		s.lab.Cut(n, other)
		return fmt.Sprintf("h%d does not hear h%d", other, n), func() error { s.lab.Join(n, other); return nil }, nil
	}
}

// each calls do with every other host.
func (s *site) each(do func(m int), but int) {
	for _, g := range s.gateways {
		if m := g.host.Number(); m != but {
			do(m)
		}
	}
}

func (s *site) join(n int, from, to bool) {
	s.each(func(m int) {
		if from {
			s.lab.Join(n, m)
		}
		if to {
			s.lab.Join(m, n)
		}
	}, n)
}

// slowLink makes all links like a bad radio.
func slowLink(s *site, random *rand.Rand) (string, func() error, error) {
	bad := lab.Settings{Delay: between(random, 5, 150), Jitter: between(random, 0, 50), Loss: random.Float64() / 10, Reorder: random.Float64() / 20}
	set := func(to lab.Settings) {
		s.lab.SetAll(func(s *lab.Settings) { to.Down = s.Down; *s = to })
	}
	set(bad)
	what := fmt.Sprintf("%v ±%v, %.0f %% lost, %.0f %% out of order", bad.Delay, bad.Jitter, bad.Loss*100, bad.Reorder*100)
	return what, func() error { set(lab.Settings{}); return nil }, nil
}
