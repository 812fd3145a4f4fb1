package fleet

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in steps of about 12 %. It is safe for concurrent use.
type histogram struct {
	count   atomic.Int64
	buckets [40 * 8]atomic.Int64
}

// add counts one duration; a negative one counts as zero.
func (h *histogram) add(d time.Duration) {
	us := uint64(max(d.Microseconds(), 0))
	i := int(us)
	if us >= 16 {
		exponent := bits.Len64(us) - 4
		i = exponent*8 + int(us>>exponent) // us>>exponent is 8 … 15
	}
	h.buckets[min(i, len(h.buckets)-1)].Add(1)
	h.count.Add(1)
}

// quantile is the upper edge of the bucket in which the part q of all lies.
func (h *histogram) quantile(q float64) time.Duration {
	want := int64(float64(h.count.Load())*q + 0.5)
	if want == 0 {
		return 0
	}
	for i := range h.buckets {
		if want -= h.buckets[i].Load(); want > 0 {
			continue
		}
		us := uint64(i)
		if i >= 16 {
			exponent := i/8 - 1
			us = uint64(i-exponent*8+1)<<exponent - 1
		}
		return time.Duration(us) * time.Microsecond
	}
	return 0
}
