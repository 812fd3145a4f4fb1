package delivery

import (
	"maps"

	"headgate/firehose"
)

// Counts is what attempts came to since the delivery was made on this gateway.
// They are not durable: another gateway counts its own.
type Counts struct {
	Retries map[firehose.Class]uint64 // attempts that did not deliver, by class
	Already uint64                    // objects that were there before the attempt
	Bisects uint64                    // batches that were halved: too large, or poison that the sink could not name
}

// count adds the result of one attempt.
func (d *Delivery) count(r firehose.Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !r.Done():
		if d.counts.Retries == nil {
			d.counts.Retries = map[firehose.Class]uint64{}
		}
		d.counts.Retries[r.Class]++
	case r.Already:
		d.counts.Already++
	}
}

func (d *Delivery) countBisect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts.Bisects++
}

// snapshot is a copy that does not change any more.
func (c Counts) snapshot() Counts {
	c.Retries = maps.Clone(c.Retries)
	return c
}
