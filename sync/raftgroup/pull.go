package raftgroup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"headgate/shardlog"
)

const (
	// reachWait is how long the engine's loop waits for a pull. The leader
	// sends its snapshot again until the pull has ended.
	reachWait = time.Second
	// A pull that failed with nobody to ask for it again is tried again after
	// a while, from the first wait to the longest.
	pullPause     = 500 * time.Millisecond
	pullPauseMost = 10 * time.Second
)

// localPull holds the manifest of a pull for which the end of the log was cut
// off. Until it has ended this gateway must not vote: its log is shorter than
// what it has confirmed.
const localPull = "raftgroup/pull"

// errTail ends an engine that does not know the end of its log: it goes on
// beyond what is applied and has to be pulled over, or it was cut off.
var errTail = errors.New("the log ends elsewhere than the engine believes")

// puller brings the machine to where the log no longer leads. One goroutine
// pulls at a time, whoever asks.
type puller struct {
	reach     func(ctx context.Context, applied uint64) error // nil: nobody to pull from
	machine   shardlog.Machine
	journal   Journal
	locals    Locals
	snapshots Snapshots
	logs      *logStore
	hangUp    func()        // no answer reaches a peer from then on
	asked     chan struct{} // of capacity 1
	restart   chan struct{} // of capacity 1: the engine has to be ended

	mu     sync.Mutex
	want   shardlog.Manifest // guarded by mu: the newest asked for
	ended  chan struct{}     // guarded by mu: closed at the end of the next pull
	active bool              // guarded by mu
}

func newPuller(c Config, logs *logStore) *puller {
	return &puller{
		reach: c.Reach, machine: c.Machine, journal: c.Journal, locals: c.Locals, snapshots: c.Snapshots,
		logs: logs, hangUp: func() {}, asked: make(chan struct{}, 1), restart: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

// accept takes a leader's snapshot, whose last entry has the engine's index,
// when the machine holds what it promises. It is called on the engine's loop,
// so that no entry is appended meanwhile. Kind Unavailable: the leader has to
// send it again.
//
// The leader's log and this one part before or at the snapshot, so what this
// log has beyond it was never agreed on, and what it has up to there is in
// the snapshot. But an engine cannot lose its log while it runs, and after a crash
// amid a pull it would have confirmed more than its log and its snapshot tell.
func (p *puller) accept(m shardlog.Manifest, index uint64) error {
	last, at := p.journal.Last(), p.machine.Applied()
	switch {
	case index < p.logs.covers() || index < last && last <= at:
		return shardlog.Errorf(shardlog.Unavailable, "install snapshot", "up to %d, which is behind this gateway", index)
	case last > index, last > 0 && !p.has(m), last == index && !p.isOf(last, m.Term):
		return p.startOver(m)
	}
	return p.ask(m)
}

// isOf reports whether an entry is of a term.
func (p *puller) isOf(index, term uint64) bool {
	if index == 0 {
		return true
	}
	e, err := p.journal.Entry(index)
	return err == nil && e.Term == term
}

// startOver ends the engine, to go on without its log. Nothing that
// the engine says from here on is heard.
func (p *puller) startOver(m shardlog.Manifest) error {
	if p.reach == nil && !p.has(m) {
		return p.nobody(m)
	}
	p.logs.pull(true)
	p.hangUp()
	if err := p.mark(m); err != nil {
		p.logs.fail(err)
		return err
	}
	p.renew()
	return shardlog.Errorf(shardlog.Unavailable, "install snapshot", "%w", errTail)
}

// renew ends the engine, which is not heard any more, and begins another.
func (p *puller) renew() {
	p.hangUp()
	select {
	case p.restart <- struct{}{}:
	default:
	}
}

// ask wants what a manifest promises and waits a little. Kind Unavailable:
// the machine is not there yet, or nobody can be asked.
func (p *puller) ask(m shardlog.Manifest) error {
	if p.has(m) {
		return nil
	}
	if p.reach == nil {
		return p.nobody(m)
	}
	ended := p.request(m)
	t := time.NewTimer(reachWait)
	defer t.Stop()
	select {
	case <-ended:
	case <-t.C:
	}
	if !p.has(m) {
		return shardlog.Errorf(shardlog.Unavailable, "install snapshot", "applied up to %d, pulling up to %d", p.machine.Applied(), m.Applied)
	}
	return nil
}

func (p *puller) has(m shardlog.Manifest) bool { return p.machine.Applied() >= m.Applied }

func (p *puller) nobody(m shardlog.Manifest) error {
	return shardlog.Errorf(shardlog.Unavailable, "restore", "applied up to %d, the snapshot wants %d, and there is no peer to pull from", p.machine.Applied(), m.Applied)
}

func (p *puller) request(m shardlog.Manifest) (ended <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.Applied >= p.want.Applied {
		p.want = m
	}
	select {
	case p.asked <- struct{}{}:
	default:
	}
	return p.ended
}

// target is up to where a pull is under way, zero when none is.
func (p *puller) target() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.active {
		return 0
	}
	return p.want.Applied
}

func (p *puller) begin(m shardlog.Manifest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want, p.active = m, true
}

func (p *puller) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.ended)
	p.ended, p.active = make(chan struct{}), false
}

// run pulls beside an engine, until ctx ends. It ends with errTail when the
// engine has to be ended.
func (p *puller) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.restart:
			return errTail
		case <-p.asked:
			p.beside(ctx)
		}
	}
}

// beside pulls while the engine runs. A pull that fails is asked for again by
// the leader, and so is one before which something was appended.
func (p *puller) beside(ctx context.Context) {
	p.mu.Lock()
	m := p.want
	p.mu.Unlock()
	p.logs.pull(true)
	defer p.logs.pull(false)
	if p.has(m) || p.journal.Last() > 0 {
		return
	}
	p.begin(m)
	defer p.end()
	_ = p.reach(ctx, m.Applied)
}

// settle brings the machine to where the log begins before an engine starts:
// after errTail, after a crash amid that, and when the machine is behind its
// own manifest. It tries until it is there or ctx ends.
func (p *puller) settle(ctx context.Context) error {
	m, marked, owed, err := p.owed()
	if err != nil || !owed {
		return err
	}
	if p.reach == nil && !p.has(m) {
		return p.nobody(m)
	}
	if err := p.pullOver(ctx, m); err != nil || ctx.Err() != nil || !marked {
		return err
	}
	if err := p.adopt(m); err != nil {
		return err
	}
	return p.unmark()
}

// owed is what has to be there before an engine may start.
func (p *puller) owed() (m shardlog.Manifest, marked, owed bool, err error) {
	m, marked, err = p.marked()
	if err != nil || marked {
		return m, marked, marked, err
	}
	m, ok, err := p.snapshots.LoadManifest()
	return m, false, ok && !p.has(m), err
}

// pullOver cuts off what is not applied and pulls until m is reached or ctx ends.
func (p *puller) pullOver(ctx context.Context, m shardlog.Manifest) error {
	p.begin(m)
	defer p.end()
	if err := p.cutTail(m); err != nil {
		return fmt.Errorf("cut tail of journal: %w", err)
	}
	for wait := pullPause; !p.has(m) && ctx.Err() == nil; wait = min(2*wait, pullPauseMost) {
		if p.reach(ctx, m.Applied) != nil || !p.has(m) {
			pause(ctx, wait)
		}
	}
	return nil
}

// cutTail drops what is not applied, from the snapshot's last entry on if the machine is there.
func (p *puller) cutTail(m shardlog.Manifest) error {
	from := p.machine.Applied() + 1
	if p.has(m) {
		meta, err := decodeMeta(m)
		if err != nil {
			return err
		}
		from = max(from, meta.Index)
	}
	if p.journal.Last() < from {
		return nil
	}
	return p.journal.DropTail(max(from, p.journal.First()))
}

// adopt makes the leader's manifest this gateway's, unless its own is newer.
func (p *puller) adopt(m shardlog.Manifest) error {
	theirs, err := decodeMeta(m)
	if err != nil {
		return err
	}
	own, ok, err := p.snapshots.LoadManifest()
	if err != nil {
		return err
	}
	if ok {
		if meta, err := decodeMeta(own); err != nil || meta.Index >= theirs.Index {
			return err
		}
	}
	return p.snapshots.SaveManifest(m)
}

func (p *puller) mark(m shardlog.Manifest) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return p.locals.SetLocal(localPull, b)
}

func (p *puller) unmark() error { return p.locals.SetLocal(localPull, nil) }

func (p *puller) marked() (m shardlog.Manifest, ok bool, err error) {
	b, err := p.locals.Local(localPull)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound || err == nil && len(b) == 0 {
		return m, false, nil
	}
	if err != nil {
		return m, false, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, false, shardlog.Errorf(shardlog.Corrupt, "read mark of a pull", "%w", err)
	}
	return m, true, nil
}
