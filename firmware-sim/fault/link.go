package fault

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Link is a proxy between devices and one broker: TCP as a bad network makes it.
type Link struct {
	To      string        // host:port of the broker
	Latency time.Duration // of each way
	Loss    float64       // share of segments that TCP has to send again: each comes 200 ms later, and what is behind it, too
	Seed    uint64

	listener net.Listener
	mu       sync.Mutex
	open     chan struct{} // closed while the link is not partitioned
}

const (
	resend    = 200 * time.Millisecond // least retransmission timeout of Linux
	segment   = 1400                   // bytes
	inTransit = 256                    // segments of one direction
)

// Listen opens the link's own address, on loopback.
func (l *Link) Listen() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	l.listener, l.open = listener, make(chan struct{})
	close(l.open)
	return listener.Addr().String(), nil
}

// Partition stops everything, in both directions, and new connections, without
// a word; false lets it on. Nothing that was on its way is lost, as by TCP.
func (l *Link) Partition(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
		if on {
			l.open = make(chan struct{})
		}
	default:
		if !on {
			close(l.open)
		}
	}
}

// wait waits until the link is whole.
func (l *Link) wait(ctx context.Context) error {
	l.mu.Lock()
	open := l.open
	l.mu.Unlock()
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run carries connections until ctx ends, which closes the link.
func (l *Link) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.listener.Close() })
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	for n := uint64(0); ; n++ {
		down, err := l.listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		all.Go(func() { l.carry(ctx, down, n) })
	}
}

// carry carries one connection.
func (l *Link) carry(ctx context.Context, down net.Conn, n uint64) {
	defer down.Close()
	if l.wait(ctx) != nil {
		return
	}
	up, err := net.Dial("tcp", l.To)
	if err != nil {
		return
	}
	defer up.Close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	stop := context.AfterFunc(ctx, func() { down.Close(); up.Close() })
	defer stop()
	var both sync.WaitGroup
	for way, pair := range [][2]net.Conn{{down, up}, {up, down}} {
		random := rand.New(rand.NewPCG(l.Seed, 2*n+uint64(way)))
		transit := make(chan parcel, inTransit)
		both.Go(func() { l.take(ctx, pair[0], transit, random) })
		both.Go(func() { defer end(); l.give(ctx, pair[1], transit) })
	}
	both.Wait()
}

// parcel is a segment and when it arrives.
type parcel struct {
	at   time.Time
	data []byte
}

func (l *Link) take(ctx context.Context, from net.Conn, transit chan<- parcel, random *rand.Rand) {
	defer close(transit)
	var last time.Time
	for {
		data := make([]byte, segment)
		n, err := from.Read(data)
		if n > 0 {
			at := time.Now().Add(l.Latency)
			if random.Float64() < l.Loss {
				at = at.Add(resend)
			}
			if at.Before(last) {
				at = last
			}
			last = at
			select {
			case transit <- parcel{at, data[:n]}:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (l *Link) give(ctx context.Context, to net.Conn, transit <-chan parcel) {
	for p := range transit {
		if left := time.Until(p.at); left > 0 {
			timer := time.NewTimer(left)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
		if l.wait(ctx) != nil {
			return
		}
		if _, err := to.Write(p.data); err != nil {
			return
		}
	}
}
