package shardlogtest

import (
	"bytes"
	"context"
	"unicode/utf8"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// put is one call of Put. It owns copies of what the caller lent.
type put struct {
	stream    shardlog.StreamName
	entries   []shardlog.Entry
	mutations []shardlog.Mutation

	done    chan struct{} // closed when results and err are set
	results []shardlog.Result
	err     error
}

// Put is the contract Writer. An entry without a key, with a key of more than
// 256 characters or larger than the stream takes is answered Invalid; in a Put
// with mutations it makes the whole Put Invalid.
func (m *Memory) Put(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	if err := m.begin(ctx, "put"); err != nil {
		return nil, err
	}
	p := &put{stream: name, mutations: copyMutations(with), done: make(chan struct{})}
	for _, e := range entries {
		p.entries = append(p.entries, copyEntry(e))
	}
	m.mu.Lock()
	if m.hold != nil {
		m.hold.add(p)
	} else {
		m.apply(p)
	}
	m.mu.Unlock()
	if err := p.wait(ctx); err != nil {
		return nil, err
	}
	if p.err != nil {
		return nil, p.err
	}
	if err := m.fail("put done"); err != nil {
		return nil, err
	}
	return p.results, nil
}

func (p *put) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return &shardlog.Error{Kind: shardlog.Unknown, Op: "put", Stream: p.stream, Err: ctx.Err()}
	}
}

func copyEntry(e shardlog.Entry) shardlog.Entry {
	e.Data = append([]byte{}, e.Data...)
	e.Meta = bytes.Clone(e.Meta)
	if len(e.Meta) == 0 {
		e.Meta = nil
	}
	if e.Hash != nil {
		hash := *e.Hash
		e.Hash = &hash
	}
	return e
}

// apply does what the Put asks for, or sets its error. m.mu is held.
func (m *Memory) apply(p *put) {
	defer close(p.done)
	s, ok := m.streams[p.stream]
	if !ok {
		p.err = &shardlog.Error{Kind: shardlog.NotFound, Op: "put", Stream: p.stream}
		return
	}
	if p.err = m.check("put", p.mutations); p.err != nil {
		return
	}
	before := s.quotas()
	m.admit(p, s)
	if len(p.mutations) > 0 && refusesAll(p) {
		s.restore(before)
		return
	}
	m.index++
	m.change(p.mutations)
	m.store(p, s)
}

// admit routes and charges each entry, in order.
func (m *Memory) admit(p *put, s *stream) {
	p.results = make([]shardlog.Result, len(p.entries))
	short := make(map[string]error)
	now := m.tick()
	for i, e := range p.entries {
		r := &p.results[i]
		if r.Err = checkEntry(e, s.LargestRecord()); r.Err != nil {
			continue
		}
		hash := e.Hash
		if hash == nil {
			h := shardlog.HashKey(e.Key)
			hash = &h
		}
		id, ok := s.ring.Find(*hash)
		if !ok {
			r.Err = &shardlog.Error{Kind: shardlog.Unavailable, Op: "put", Stream: s.Name}
			continue
		}
		r.Shard = id
		if r.Err = short[e.Key]; r.Err == nil {
			w := &s.shards[id.Number].write
			w.Largest = s.LargestRecord()
			if r.Err = w.Take(now, 1, e.Size()); r.Err != nil {
				short[e.Key] = r.Err
			}
		}
	}
}

func checkEntry(e shardlog.Entry, largest int) error {
	if n := utf8.RuneCountInString(e.Key); n == 0 && e.Hash == nil || n > shardlog.MaxPartitionKey {
		return shardlog.Errorf(shardlog.Invalid, "put", "partition key of %d characters", n)
	}
	if e.Size() > largest {
		return shardlog.Errorf(shardlog.Invalid, "put", "record of %d bytes", e.Size())
	}
	return nil
}

// refusesAll passes one entry's refusal on to a Put that is all or nothing.
func refusesAll(p *put) bool {
	for i := range p.results {
		err := p.results[i].Err
		if err == nil {
			continue
		}
		if shardlog.KindOf(err) != shardlog.Throttled {
			p.err = err
		}
		for j := range p.results {
			p.results[j].Err = err
		}
		return true
	}
	return false
}

// store appends the entries that were admitted.
func (m *Memory) store(p *put, s *stream) {
	at := m.tick()
	touched := make(map[*shard]struct{})
	for i, e := range p.entries {
		r := &p.results[i]
		if r.Err != nil {
			continue
		}
		sh := s.shards[r.Shard.Number]
		r.Number = sh.Number(sh.Next, at)
		sh.records = append(sh.records, shardlog.Record{
			Seq: sh.Next, Arrived: at, Key: e.Key, Hash: e.Hash, Data: e.Data, Meta: e.Meta,
		})
		sh.Next++
		touched[sh] = struct{}{}
	}
	for sh := range touched {
		sh.wake()
	}
}

func (s *stream) quotas() []quota.Write {
	all := make([]quota.Write, len(s.shards))
	for i, sh := range s.shards {
		all[i] = sh.write
	}
	return all
}

func (s *stream) restore(quotas []quota.Write) {
	for i, sh := range s.shards {
		sh.write = quotas[i]
	}
}
