package store

import (
	"container/list"
	"sync"

	"headgate/shardlog/block"
)

// cache keeps recent blocks, so that many readers of the tail cost one decode
// and no disk. New blocks enter sealed and are decoded when first read.
type cache struct {
	mu     sync.Mutex
	budget int // bytes
	used   int
	order  *list.List // of *cached, the newest use first
	by     map[cacheKey]*list.Element
}

type cacheKey struct {
	index uint64
	ord   uint16
}

type cached struct {
	key    cacheKey
	size   int    // as counted in used
	sealed []byte // until decoded

	once  sync.Once
	block *block.Block
	err   error
}

func newCache(budget int) *cache {
	return &cache{budget: budget, order: list.New(), by: map[cacheKey]*list.Element{}}
}

// addSealed takes a block that has just been written.
func (c *cache) addSealed(p place, sealed []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(&cached{key: cacheKey{p.index, p.ord}, sealed: sealed, size: len(sealed)})
}

func (c *cache) put(e *cached) {
	c.by[e.key] = c.order.PushFront(e)
	c.used += e.size
	c.evict()
}

// evict drops the longest unused; the newest stays, however large.
func (c *cache) evict() {
	for c.used > c.budget && c.order.Len() > 1 {
		last := c.order.Remove(c.order.Back()).(*cached)
		delete(c.by, last.key)
		c.used -= last.size
	}
}

// open returns the decoded block at p; load reads it when it is not here.
func (c *cache) open(p place, load func() ([]byte, error)) (*block.Block, error) {
	e := c.entry(cacheKey{p.index, p.ord})
	e.once.Do(func() {
		sealed := e.sealed
		if sealed == nil {
			sealed, e.err = load()
		}
		if e.err == nil {
			e.block, e.err = block.Open(sealed)
		}
		c.decoded(e)
	})
	return e.block, e.err
}

func (c *cache) entry(key cacheKey) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.by[key]; at != nil {
		c.order.MoveToFront(at)
		return at.Value.(*cached)
	}
	e := &cached{key: key}
	c.put(e)
	return e
}

// decoded counts what the entry now holds; a failure is not kept.
func (c *cache) decoded(e *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.sealed = nil
	at := c.by[e.key]
	if at == nil || at.Value.(*cached) != e {
		return // evicted meanwhile
	}
	if e.err != nil {
		c.used -= e.size
		c.order.Remove(at)
		delete(c.by, e.key)
		return
	}
	c.used += e.block.Size() - e.size
	e.size = e.block.Size()
	c.evict()
}
