package forward

import "headgate/shardlog"

// origin is one series of numbers. It is guarded by Carrier.mu.
type origin struct {
	incarnation uint64
	next        uint64 // number
	low         uint64 // all numbers below it have had their answer
	open        map[uint64]struct{}
}

func newOrigin(incarnation uint64) *origin {
	return &origin{incarnation: incarnation, next: 1, low: 1, open: map[uint64]struct{}{}}
}

func (o *origin) take() uint64 {
	n := o.next
	o.next++
	o.open[n] = struct{}{}
	return n
}

func (o *origin) settle(number uint64) { delete(o.open, number) }

// settled is the smallest number that waits for its answer, or the next one.
func (o *origin) settled() uint64 {
	for o.low < o.next {
		if _, open := o.open[o.low]; open {
			break
		}
		o.low++
	}
	return o.low
}

func (o *origin) id(gateway, number uint64) shardlog.BundleID {
	return shardlog.BundleID{Gateway: gateway, Incarnation: o.incarnation, Number: number}
}
