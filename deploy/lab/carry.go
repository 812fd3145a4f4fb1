package lab

import (
	"container/heap"
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// carryFrom hands every packet that leaves a host to its link, until the
// device is closed. Packets that go elsewhere vanish.
func carryFrom(device io.Reader, links []*link) {
	packet := make([]byte, 1<<16)
	for {
		n, err := device.Read(packet)
		if err != nil {
			return // Close closed it
		}
		if to := destination(packet[:n]); to < len(links) && links[to] != nil {
			links[to].carry(packet[:n])
		}
	}
}

// destination is the index of the host that an IPv4 packet goes to, more than
// any host has for all other packets.
func destination(packet []byte) int {
	const nobody = 1 << 16
	if len(packet) < 20 || packet[0]>>4 != 4 {
		return nobody
	}
	to := addressOf(int(packet[19])).As4()
	if [4]byte(packet[16:20]) != to || packet[19] == 0 {
		return nobody
	}
	return int(packet[19]) - 1
}

// link carries packets in one direction.
type link struct {
	to   io.Writer
	wake chan struct{} // holds one token when run must look again

	mu      sync.Mutex
	shaper  shaper    // guarded by mu
	stats   Stats     // guarded by mu
	waiting flights   // guarded by mu; a heap by time
	free    [][]byte  // guarded by mu; buffers to use again
	count   uint64    // guarded by mu; numbers packets, so that equal times keep their order
	next    time.Time // guarded by mu; when run wakes by itself
}

// mostWaiting bounds the memory of a link: about 24 MB.
const mostWaiting = 16 << 10

func newLink(to io.Writer, random *rand.Rand) *link {
	return &link{to: to, wake: make(chan struct{}, 1), shaper: shaper{random: random}}
}

// set changes what the link does to packets from now on.
func (l *link) set(change func(*Settings)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to := l.shaper.Settings
	change(&to)
	l.shaper.set(to)
	if to.Down {
		l.stats.Cut += uint64(len(l.waiting))
		l.waiting = nil
	}
}

func (l *link) settings() Settings {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shaper.Settings
}

func (l *link) snapshot() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Waiting = len(l.waiting)
	return s
}

// carry takes a packet; the bytes stay the caller's.
func (l *link) carry(packet []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	at, fate := l.shaper.admit(now, len(packet))
	if fate == carried && len(l.waiting) >= mostWaiting {
		fate = overflowed
	}
	switch fate {
	case lost:
		l.stats.Lost++
	case cut:
		l.stats.Cut++
	case overflowed:
		l.stats.Overflowed++
	case carried:
		if len(l.waiting) == 0 && !at.After(now) {
			l.deliver(packet)
			return
		}
		l.hold(packet, at)
	}
}

// deliver writes a packet to the other end. Caller holds mu, so that packets
// keep their order.
func (l *link) deliver(packet []byte) {
	l.stats.Packets++
	l.stats.Bytes += uint64(len(packet))
	_, _ = l.to.Write(packet) // a host that takes no packet now has lost it, as on any wire
}

func (l *link) hold(packet []byte, at time.Time) {
	var buffer []byte
	if last := len(l.free) - 1; last >= 0 {
		buffer, l.free = l.free[last], l.free[:last]
	}
	l.count++
	heap.Push(&l.waiting, flight{at: at, n: l.count, packet: append(buffer[:0], packet...)})
	if l.next.IsZero() || at.Before(l.next) {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// run delivers what waits when its time has come, until ctx ends.
func (l *link) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(l.release())
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		case <-timer.C:
		}
	}
}

// release delivers what is due and answers how long the next packet waits.
func (l *link) release() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for now := time.Now(); len(l.waiting) > 0 && !l.waiting[0].at.After(now); {
		f := heap.Pop(&l.waiting).(flight)
		l.deliver(f.packet)
		if len(l.free) < 1024 {
			l.free = append(l.free, f.packet)
		}
	}
	if len(l.waiting) == 0 {
		l.next = time.Time{}
		return time.Hour
	}
	l.next = l.waiting[0].at
	return time.Until(l.next)
}

// flight is a packet on its way.
type flight struct {
	at     time.Time
	n      uint64
	packet []byte
}

// flights is a heap.Interface, the next to arrive first.
type flights []flight

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	return f[i].at.Before(f[j].at) || f[i].at.Equal(f[j].at) && f[i].n < f[j].n
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }

// Push is heap.Interface's.
func (f *flights) Push(x any) { *f = append(*f, x.(flight)) }

// Pop is heap.Interface's.
func (f *flights) Pop() any {
	last := len(*f) - 1
	x := (*f)[last]
	(*f)[last] = flight{}
	*f = (*f)[:last]
	return x
}
