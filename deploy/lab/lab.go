package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
)

// Config says what a lab is like.
type Config struct {
	Hosts int    // 1 to 200
	Seed  uint64 // of all randomness of the links
	MTU   int    // of the hosts' devices; 0: 1500
}

// Validate answers what is wrong with the configuration.
func (c *Config) Validate() error {
	switch {
	case c.Hosts < 1 || c.Hosts > 200:
		return fmt.Errorf("%d hosts: a lab has 1 to 200", c.Hosts)
	case c.MTU != 0 && (c.MTU < 576 || c.MTU > 65000):
		return fmt.Errorf("an MTU of %d bytes: write 576 to 65000", c.MTU)
	}
	return nil
}

// Lab is a site of hosts and the links between them. Close must be called.
// All methods may be called at the same time.
type Lab struct {
	hosts []*Host
	links [][]*link // by the numbers of from and to, from 0; nil from a host to itself
	claim *claim

	stop context.CancelFunc // ends the goroutines
	done sync.WaitGroup     // the goroutines
	once sync.Once          // closes once
	end  error              // what Close answers; written within once
}

// Available answers why no lab can be made here, nil when one can.
func Available() error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("a lab needs root, this is user %d", uid)
	}
	if _, err := os.Stat(tunPath); err != nil {
		return fmt.Errorf("a lab needs TUN devices: %w", err)
	}
	return nil
}

// New makes the hosts of a lab and begins to carry their packets, over links
// without faults. It first removes what crashed labs have left behind. The
// context bounds the making only; the lab lasts until Close.
func New(ctx context.Context, c Config) (*Lab, error) {
	if err := errors.Join(c.Validate(), Available()); err != nil {
		return nil, err
	}
	if err := RemoveStale(); err != nil {
		return nil, fmt.Errorf("remove what crashed labs left: %w", err)
	}
	l := &Lab{stop: func() {}}
	if err := l.build(ctx, c); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.connect(c.Seed)
	l.start()
	return l, nil
}

func (l *Lab) build(ctx context.Context, c Config) (err error) {
	if l.claim, err = stakeClaim(); err != nil {
		return fmt.Errorf("claim a name: %w", err)
	}
	for n := 1; n <= c.Hosts; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := newHost(l, n, c.MTU)
		if err != nil {
			return fmt.Errorf("make host %d: %w", n, err)
		}
		l.hosts = append(l.hosts, h)
	}
	return nil
}

func (l *Lab) connect(seed uint64) {
	for from := range l.hosts {
		row := make([]*link, len(l.hosts))
		for to, h := range l.hosts {
			if to != from {
				random := rand.New(rand.NewPCG(seed, uint64(from)<<32|uint64(to)))
				row[to] = newLink(h.device, random)
			}
		}
		l.links = append(l.links, row)
	}
}

// start begins the goroutines that Close waits for: one for each device, one
// for each link.
func (l *Lab) start() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	for from, h := range l.hosts {
		l.done.Go(func() { carryFrom(h.device, l.links[from]) })
		for _, link := range l.links[from] {
			if link != nil {
				l.done.Go(func() { link.run(ctx) })
			}
		}
	}
}

// Host is the host of that number, from 1.
func (l *Lab) Host(n int) *Host { return l.hosts[n-1] }

// Hosts are all hosts, the first has number 1.
func (l *Lab) Hosts() []*Host { return l.hosts }

// Close ends what still runs on the hosts, removes them and waits for all
// goroutines. Calling it again answers the same.
func (l *Lab) Close() error {
	l.once.Do(func() {
		l.stop()
		for _, h := range l.hosts {
			l.end = errors.Join(l.end, h.close())
		}
		l.done.Wait()
		if l.claim != nil {
			l.end = errors.Join(l.end, l.claim.release())
		}
	})
	return l.end
}
