package rules

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"headgate/ingest"
	"headgate/ingest/iotsql"
	"headgate/shardlog"
)

// Config is what a Runner needs. All of it is needed.
type Config struct {
	Reader  shardlog.Reader
	Catalog shardlog.Catalog
	Writer  shardlog.Writer // of the gateway that leads
	States  shardlog.States // of the gateway that leads
	Routes  *ingest.Routes
	// Read makes a message of a record; false: it is none that rules see. It
	// keeps nothing of the record, and the message may share its bytes.
	Read    func(r shardlog.Record) (iotsql.Message, bool)
	Publish Publish
	Log     *slog.Logger
}

// Runner applies the rules of the site. Run runs it, on the gateway that leads
// and nowhere else; Status may be asked at any time.
type Runner struct {
	c    Config
	kick chan struct{} // of capacity 1: a rule changed here

	mu      sync.Mutex
	running map[string]*running // guarded by mu; changed by Run alone
}

// running is one rule at work.
type running struct {
	row   Row
	fault error   // why it cannot work; then there are no pipes
	pipes []*pipe // one for each action
	group sync.WaitGroup
	start func(ln *lane)
	stop  context.CancelFunc
}

// lookEvery is how often changes that were made elsewhere, and new shards, are
// looked for.
const lookEvery = time.Second

// New makes a Runner. It starts nothing.
func New(c Config) *Runner {
	return &Runner{c: c, kick: make(chan struct{}, 1), running: map[string]*running{}}
}

// Changed has it look for changes at once.
func (r *Runner) Changed() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// Run applies rules until ctx ends; then it returns nil.
func (r *Runner) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	defer r.endAll()
	for sweep := true; ctx.Err() == nil; {
		ended := r.look(ctx)
		if sweep = sweep || ended; sweep {
			if err := r.sweep(ctx); err != nil && ctx.Err() == nil {
				r.c.Log.Warn("forget places of rules", "error", err)
			} else {
				sweep = false
			}
		}
		select {
		case <-tick.C:
		case <-r.kick:
		case <-ctx.Done():
		}
	}
	return nil
}

// look makes what runs into what is wanted. It reports whether some rule ended.
func (r *Runner) look(ctx context.Context) (ended bool) {
	rows, err := list(ctx, r.c.States)
	if err != nil {
		if ctx.Err() == nil {
			r.c.Log.Error("rules", "error", err)
		}
		return false // what runs goes on
	}
	wanted := map[string]Row{}
	for _, row := range rows {
		if !row.Disabled {
			wanted[row.Name] = row
		}
	}
	for name, one := range r.now() {
		if row, ok := wanted[name]; !ok || !reflect.DeepEqual(row, one.row) {
			r.end(name, one)
			ended = true
		}
	}
	here := r.now()
	for name, row := range wanted {
		if here[name] == nil {
			here[name] = r.begin(ctx, row)
		}
	}
	for _, one := range here {
		r.follow(one)
	}
	return ended
}

func (r *Runner) now() map[string]*running {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]*running, len(r.running))
	for name, one := range r.running {
		all[name] = one
	}
	return all
}

func (r *Runner) begin(ctx context.Context, row Row) *running {
	own, stop := context.WithCancel(ctx)
	one := &running{row: row, stop: stop}
	one.start = func(ln *lane) { one.group.Go(func() { ln.run(own) }) }
	p, err := compile(row.Rule, r.c.Publish)
	if err != nil {
		one.fault = err
		r.c.Log.Warn("rule is held", "rule", row.Name, "error", err)
	} else {
		for _, a := range p.actions {
			one.pipes = append(one.pipes, &pipe{runner: r, program: p, row: row, action: a, lanes: map[shardlog.ShardID]*lane{}})
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[row.Name] = one
	return one
}

// follow starts a lane for each shard that has none.
func (r *Runner) follow(one *running) {
	for _, p := range one.pipes {
		for _, name := range p.program.reach(r.c.Routes) {
			stream, there := r.c.Catalog.Stream(name)
			if !there {
				continue
			}
			for _, sh := range stream.Shards { // by number: parents come first
				if ln := p.lane(stream, sh); ln != nil {
					one.start(ln)
				}
			}
		}
	}
}

// end stops a rule and waits until it has stopped.
func (r *Runner) end(name string, one *running) {
	one.stop()
	one.group.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, name)
}

func (r *Runner) endAll() {
	for name, one := range r.now() {
		r.end(name, one)
	}
}

// sweepAtOnce is how many places are forgotten in one Mutate.
const sweepAtOnce = 256

// sweep forgets the places of rules that are no more, or disabled, so that
// they keep nothing on the disk. No lane of theirs runs.
func (r *Runner) sweep(ctx context.Context) error {
	var gone []shardlog.Mutation
	owner := map[string]string{} // by key
	for key := range r.c.States.List(ctx, shardlog.Cursors, "") {
		if _, who, err := shardlog.ParseCursorKey(key); err == nil && strings.HasPrefix(who, consumerPrefix) {
			owner[key] = who
		}
	}
	rows, err := list(ctx, r.c.States) // not before: a rule is made with its places
	if err != nil || len(owner) == 0 {
		return err
	}
	for key, who := range owner {
		if !slices.ContainsFunc(rows, func(row Row) bool {
			return !row.Disabled && strings.HasPrefix(who, consumerPrefix+row.Name+"/"+row.ID+"/")
		}) {
			gone = append(gone, shardlog.Mutation{Space: shardlog.Cursors, Key: key})
		}
	}
	for some := range slices.Chunk(gone, sweepAtOnce) {
		if err := r.c.States.Mutate(ctx, some...); err != nil {
			return err
		}
	}
	return nil
}

// pause waits, or answers false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
