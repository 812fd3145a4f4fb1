package mqtt

import (
	"hash/maphash"
	"sync"
)

// turns are locks by client id; some ids share one.
type turns struct {
	seed maphash.Seed
	all  [64]sync.Mutex
}

// of is the lock of a client id.
func (t *turns) of(client string) *sync.Mutex { return &t.all[t.hash(client)%uint64(len(t.all))] }

// hash spreads client ids.
func (t *turns) hash(client string) uint64 { return maphash.String(t.seed, client) }
