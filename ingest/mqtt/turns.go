package mqtt

import (
	"hash/maphash"
	"sync"
)

// turns are locks by client id; some ids share one. The zero value is ready.
type turns struct {
	once sync.Once
	seed maphash.Seed
	all  [64]sync.Mutex
}

// of is the lock of a client id.
func (t *turns) of(client string) *sync.Mutex {
	t.once.Do(func() { t.seed = maphash.MakeSeed() })
	return &t.all[maphash.String(t.seed, client)%uint64(len(t.all))]
}
