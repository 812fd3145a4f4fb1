package rules

import (
	"sync"
	"time"

	"headgate/shardlog"
)

// pipe is one action of one rule over all shards.
type pipe struct {
	runner  *Runner
	program *program
	row     Row
	action  action

	mu     sync.Mutex
	lanes  map[shardlog.ShardID]*lane // guarded by mu
	counts Counts                     // guarded by mu
	last   error                      // guarded by mu: what keeps it waiting, nil when nothing does
	said   time.Time                  // guarded by mu: when a message's error was last logged
	unsaid uint64                     // guarded by mu: how many were not since
}

// Counts is what an action came to since it began on this gateway.
type Counts struct {
	Matched uint64 `json:"matched"` // messages under FROM, or for the rule by Basic Ingest
	Passed  uint64 `json:"passed"`  // of which the action made a record, which is stored
	Failed  uint64 `json:"failed"`  // that the rule could not be applied to
	Missed  uint64 `json:"missed"`  // records that were given up before the rule read them
	Retries uint64 `json:"retries"` // attempts to store that did not succeed
}

// lane makes the lane of a shard that has none.
func (p *pipe) lane(stream shardlog.Stream, sh shardlog.Shard) *lane {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lanes[sh.ID] != nil {
		return nil
	}
	ln := &lane{pipe: p, stream: stream, shard: sh, done: make(chan struct{}), key: shardlog.CursorKey(sh.ID, consumer(p.row, p.action)), most: maxRecords}
	for _, parent := range []*uint32{sh.Parent, sh.Adjacent} {
		if parent == nil {
			continue
		}
		if before := p.lanes[shardlog.ShardID{Stream: sh.ID.Stream, Number: *parent}]; before != nil {
			ln.parents = append(ln.parents, before.done)
		}
	}
	p.lanes[sh.ID] = ln
	return ln
}

// note keeps what an attempt came to, and says an error in the log once.
func (p *pipe) note(err error) {
	p.mu.Lock()
	again := err == nil || p.last != nil && p.last.Error() == err.Error()
	p.last = err
	if err != nil {
		p.counts.Retries++
	}
	p.mu.Unlock()
	if !again {
		p.runner.c.Log.Warn("rule waits", "rule", p.row.Name, "action", p.action.name(), "error", err)
	}
}

// sayEvery bounds how often errors of messages are logged.
const sayEvery = 10 * time.Second

// refused logs, now and then, that a message is at fault.
func (p *pipe) refused(topic string, err error) {
	p.mu.Lock()
	silent := p.row.Errors != "" || time.Since(p.said) < sayEvery
	if p.unsaid++; !silent {
		p.said = time.Now()
	}
	n := p.unsaid
	if !silent {
		p.unsaid = 0
	}
	p.mu.Unlock()
	if !silent {
		p.runner.c.Log.Warn("rule cannot be applied", "rule", p.row.Name, "action", p.action.name(), "topic", topic, "error", err, "messages", n)
	}
}

// count adds what became of messages that are done with.
func (p *pipe) count(c Counts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.add(c)
}

func (c *Counts) add(o Counts) {
	c.Matched += o.Matched
	c.Passed += o.Passed
	c.Failed += o.Failed
	c.Missed += o.Missed
	c.Retries += o.Retries
}
