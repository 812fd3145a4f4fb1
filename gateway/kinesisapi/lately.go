package kinesisapi

import "time"

// idle is after how long the quotas of what is read or called are full again
// whatever happened: the largest answer takes five seconds.
const idle = 10 * time.Second

// lately holds a value for each key that was asked for in the last seconds,
// and forgets the others, which are as new. It is not safe for concurrent use.
type lately[K comparable, V any] struct {
	fresh func(K) V
	byKey map[K]*kept[V]
	sweep time.Time // when idle ones were last dropped
}

type kept[V any] struct {
	value V
	used  time.Time
}

// of is the key's value.
func (l *lately[K, V]) of(now time.Time, key K) *V {
	if since := now.Sub(l.sweep); since > idle || since < 0 {
		for k, each := range l.byKey {
			if unused := now.Sub(each.used); unused > idle || unused < 0 {
				delete(l.byKey, k)
			}
		}
		l.sweep = now
	}
	found := l.byKey[key]
	if found == nil {
		if l.byKey == nil {
			l.byKey = make(map[K]*kept[V])
		}
		found = &kept[V]{value: l.fresh(key)}
		l.byKey[key] = found
	}
	found.used = now
	return &found.value
}
