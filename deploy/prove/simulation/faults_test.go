package simulation_test

import (
	"context"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/store"
)

func newDisk() *store.Disk { return store.NewCrashableDisk() }

// suffer lets the events of the plan happen, each at its time.
func (s *history) suffer() {
	for _, e := range s.plan.events {
		if d := e.at - time.Since(s.began); d > 0 {
			_ = rest(s.spell, d)
		}
		s.note("event: %v", e)
		s.happen(e)
	}
	_ = rest(s.spell, s.plan.length-time.Since(s.began))
}

func (s *history) happen(e event) {
	var boxes []*box
	for _, i := range e.boxes {
		boxes = append(boxes, s.boxes[i])
	}
	later := func(do func()) {
		s.faults.Go(func() {
			if rest(s.spell, e.span) == nil {
				do()
			}
		})
	}
	switch e.what {
	case "part":
		s.part(e.boxes, true)
		later(func() { s.part(e.boxes, false) })
	case "one way":
		if e.boxes[0] != e.boxes[1] {
			s.cut(e.boxes[0], e.boxes[1], 1)
			later(func() { s.cut(e.boxes[0], e.boxes[1], -1) })
		}
	case "drop":
		s.net.drop(e.boxes[0], e.boxes[1])
	case "crash":
		s.counts.crashes.Add(1)
		s.crash(boxes...)
		later(func() { s.begin(boxes[0]) })
	case "crash all":
		s.counts.crashes.Add(uint64(len(s.boxes)))
		s.crash(s.boxes...)
		for i, b := range s.boxes {
			s.faults.Go(func() {
				if rest(s.spell, time.Duration(i)*e.span/time.Duration(len(s.boxes))) == nil {
					s.begin(b)
				}
			})
		}
	case "trap":
		if l := boxes[0].alive(); l != nil {
			l.trap.Store(int64(e.n))
		}
		later(func() { s.begin(boxes[0]) })
	case "trap all":
		for _, b := range s.boxes {
			if l := b.alive(); l != nil && b == boxes[0] {
				l.all.Store(true)
				l.trap.Store(int64(e.n))
			}
		}
		for i, b := range s.boxes {
			s.faults.Go(func() {
				if rest(s.spell, e.span+time.Duration(i)*200*time.Millisecond) == nil {
					s.begin(b)
				}
			})
		}
	case "destroy":
		s.destroy(boxes[0])
	case "remove":
		s.joins.Go(func() { s.remove(boxes[0], e.n > 0) })
	case "delete":
		s.faults.Go(func() { s.delete(s.plan.streams[e.n], e.span) })
	case "restart":
		s.faults.Go(func() {
			boxes[0].stop()
			if rest(s.spell, e.span) == nil {
				s.begin(boxes[0])
			}
		})
	case "freeze":
		boxes[0].freeze()
		later(boxes[0].thaw)
	case "clock":
		boxes[0].clock.move(time.Duration(e.n)*time.Second, e.span > 0)
		s.faults.Go(func() {
			if rest(s.spell, 5*time.Second) == nil {
				boxes[0].clock.move(-time.Duration(e.n)*time.Second, true)
			}
		})
	case "trim":
		s.faults.Go(func() { s.trim(e.n) })
	case "retention":
		s.faults.Go(func() { s.retain(e.n) })
	case "join":
		s.joins.Go(func() { s.join(boxes[0]) })
	default:
		panic(e.what)
	}
}

// begin starts a box that is part of the site.
func (s *history) begin(b *box) {
	b.mu.Lock()
	idle := b.now == nil && !b.gone && (!b.joins || b.lives > 0)
	b.mu.Unlock()
	if idle {
		s.note("box %d starts", b.host)
		s.launch(b)
	}
}

// part cuts some boxes off from all others, or ends that.
func (s *history) part(some []int, off bool) {
	inside := map[int]bool{}
	for _, i := range some {
		inside[i] = true
	}
	by := 1
	if !off {
		by = -1
	}
	s.net.change(func() {
		for a := range s.boxes {
			for b := range s.boxes {
				if inside[a] != inside[b] {
					s.net.way(a, b).cuts += by
				}
			}
		}
	})
}

func (s *history) cut(from, to, by int) {
	s.net.change(func() { s.net.way(from, to).cuts += by })
}

// freeze lets a box's process stand still: nothing leaves it, nothing comes in,
// its disk takes nothing and its clients hear nothing.
func (b *box) freeze() {
	b.mu.Lock()
	if b.thawed == nil {
		b.thawed = make(chan struct{})
	}
	b.frozen++
	b.mu.Unlock()
	b.sim.part([]int{b.host}, true)
}

func (b *box) thaw() {
	b.mu.Lock()
	if b.frozen--; b.frozen == 0 {
		close(b.thawed)
		b.thawed = nil
	}
	b.mu.Unlock()
	b.sim.part([]int{b.host}, false)
}

// wait waits while the box stands still.
func (b *box) wait(ctx context.Context) error {
	for {
		b.mu.Lock()
		thawed := b.thawed
		b.mu.Unlock()
		if thawed == nil {
			return nil
		}
		select {
		case <-thawed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// heal ends all faults and starts whoever is down.
func (s *history) heal() {
	for _, b := range s.boxes {
		if l := b.alive(); l != nil {
			l.trap.Store(0)
		}
	}
	s.relief()
	s.faults.Wait()
	for _, b := range s.boxes {
		b.mu.Lock()
		if b.thawed != nil {
			close(b.thawed)
			b.thawed, b.frozen = nil, 0
		}
		b.mu.Unlock()
		b.clock.set(0, true)
	}
	s.net.change(func() { clear(s.net.ways); s.net.loss = 0 })
	for _, b := range s.boxes {
		s.begin(b)
	}
}

// leader is who leads, nil when nobody does.
func (s *history) leader() *life {
	for _, b := range s.boxes {
		if l := b.alive(); l != nil && !l.isDead() && l.group.Leading() {
			return l
		}
	}
	return nil
}

// trim gives up the oldest records of a stream, as the leader's duty would.
func (s *history) trim(n int) {
	l := s.leader()
	if l == nil {
		return
	}
	out, ok := l.visit()
	if !ok {
		return
	}
	defer out()
	all := l.store.Streams()
	if len(all) == 0 {
		return
	}
	st := all[n%len(all)]
	extents := l.store.Extents(st.ID)
	if st.Name.Own() || len(extents) == 0 {
		return
	}
	at := l.log.Clock().Stamp().At
	oldest := extents[0].Oldest
	t := shardlog.Trim{At: at, Stream: st.ID, Horizon: oldest.Add(at.Sub(oldest) * time.Duration(n) / 200)}
	if filling := l.store.Tail().Bucket; extents[0].Bucket < filling && n%2 == 0 {
		t.Through = extents[0].Bucket
		if n%4 == 0 {
			t.Reason = shardlog.OverBudget
		}
	}
	ctx, cancel := context.WithTimeout(l.with(s.spell), 5*time.Second)
	defer cancel()
	o, err := l.group.Propose(ctx, t)
	s.note("trim of %s to %v through %d %q: %v %v", st.Name, t.Horizon, t.Through, t.Reason, o.Err, err)
}

func (s *history) retain(hours int) {
	for _, b := range s.boxes {
		if l := b.alive(); l != nil {
			out, ok := l.visit()
			if !ok {
				continue
			}
			defer out()
			ctx, cancel := context.WithTimeout(l.with(s.spell), 5*time.Second)
			err := l.carrier.Control().SetRetention(ctx, s.plan.streams[0].Name, time.Duration(hours)*time.Hour)
			cancel()
			s.note("retention of %s is %d h: %v", s.plan.streams[0].Name, hours, err)
			return
		}
	}
}

// join starts a box and has the leader let it in.
func (s *history) join(b *box) {
	s.launch(b)
	for s.ctx.Err() == nil && !s.admit(b) {
		_ = rest(s.ctx, 300*time.Millisecond)
	}
}

// admit asks the leader once to let a box in; true when that was heard of.
func (s *history) admit(b *box) bool {
	l := s.leader()
	if l == nil {
		return false
	}
	out, ok := l.visit()
	if !ok {
		return false // it is stopping: somebody else leads soon
	}
	defer out()
	ctx, cancel := context.WithTimeout(l.with(s.ctx), 10*time.Second)
	defer cancel()
	err := l.group.AddLearner(ctx, b.name(), address(b.host).String())
	heard := l.known(func() {})
	s.note("box %d joins: %v, heard %v", b.host, err, heard)
	return err == nil && heard
}

// destroy ends a box with its disk.
func (s *history) destroy(b *box) {
	b.mu.Lock()
	l := b.now
	b.gone, b.now = true, nil
	b.mu.Unlock()
	if l != nil && l.die() {
		s.net.settle(b.host, nil)
		s.net.hangUp(l, false)
		l.cancel()
	}
}

// remove takes a box out of the site, however long that takes.
func (s *history) remove(b *box, force bool) {
	for s.ctx.Err() == nil {
		if l := s.leader(); l != nil {
			if out, ok := l.visit(); ok {
				ctx, cancel := context.WithTimeout(l.with(s.ctx), 10*time.Second)
				remove := l.group.Remove
				if force {
					remove = l.group.RemoveForced
				}
				err := remove(ctx, b.name())
				cancel()
				heard := l.known(func() {})
				out()
				s.note("box %d is taken out, forced %v: %v, heard %v", b.host, force, err, heard)
				if heard && (err == nil || shardlog.KindOf(err) == shardlog.NotFound) {
					return
				}
			}
		}
		_ = rest(s.ctx, time.Second)
	}
}

// delete deletes a stream and makes it again.
func (s *history) delete(spec shardlog.StreamSpec, after time.Duration) {
	try := func(ctx context.Context, what string, do func(ctx context.Context, c shardlog.Control) error) {
		for _, b := range s.boxes {
			l := b.alive()
			if l == nil {
				continue
			}
			out, ok := l.visit()
			if !ok {
				continue
			}
			ctx, cancel := context.WithTimeout(l.with(ctx), 5*time.Second)
			err := do(ctx, l.carrier.Control())
			cancel()
			heard := l.known(func() {})
			out()
			s.note("%s %s by box %d: %v, heard %v", what, spec.Name, b.host, err, heard)
			if err == nil && heard {
				return
			}
		}
	}
	try(s.spell, "delete", func(ctx context.Context, c shardlog.Control) error { return c.DeleteStream(ctx, spec.Name) })
	_ = rest(s.spell, after)
	try(s.ctx, "make", func(ctx context.Context, c shardlog.Control) error { return c.CreateStream(ctx, spec) })
}
