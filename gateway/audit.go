package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"headgate/gateway/access"
	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// AuditStream is where the audit is kept, in the log like any other stream: it
// is replicated, ends by its age, and can be read, followed and delivered.
const AuditStream shardlog.StreamName = "_audit"

const (
	auditRetention = 90 * 24 * time.Hour
	auditEvery     = time.Second     // what was told is stored
	auditFold      = time.Minute     // calls that are alike are told once in
	auditWaiting   = 1000            // lines that wait to be stored; more are counted
	auditAlike     = 500             // kinds of calls that are told apart in a minute
	auditBatch     = 200             // lines in one Put
	auditPatience  = 5 * time.Second // for one Put
)

// AuditLine is one call, or many that were alike.
type AuditLine struct {
	At       time.Time `json:"at"`
	Gateway  string    `json:"gateway"`
	Action   string    `json:"action"`
	Key      string    `json:"accessKeyId,omitempty"`
	User     string    `json:"user,omitempty"`
	Resource string    `json:"resource,omitempty"`
	Source   string    `json:"source,omitempty"`
	Outcome  string    `json:"outcome"` // ok, or the error's code
	Request  string    `json:"requestId,omitempty"`
	Skew     bool      `json:"skewUnchecked,omitempty"` // the clock was not trusted: the signature's age was not judged
	Count    int       `json:"count,omitempty"`         // so many more like it since the line before
}

// audit tells who did what. A change that was made is always told. Of calls
// that only look, and of those that fail, the first of its kind in a minute is
// told and the others are counted, so that no flood of them wears the disk.
type audit struct {
	gateway string
	writer  shardlog.Writer
	control shardlog.Control
	user    func(key string) string
	now     func() time.Time
	log     *slog.Logger

	storing sync.Mutex // held while lines are put, so that none is put twice

	mu      sync.Mutex
	waiting []AuditLine             // guarded by mu
	alike   map[likeness]*AuditLine // guarded by mu: the last told of each kind, Count since then
	lost    int                     // guarded by mu: lines for which there was no room
}

// likeness is what calls that are told together have in common.
type likeness struct{ action, key, resource, source, outcome string }

// tell is called by the doors.
func (a *audit) tell(e awsapi.Event) {
	line := AuditLine{At: e.At.UTC(), Action: e.Action, Key: e.Caller.KeyID, User: a.user(e.Caller.KeyID), Resource: clipped(e.Resource),
		Outcome: outcome(e.Code), Request: e.RequestID, Skew: e.Caller.SkewUnchecked}
	if e.Source.IsValid() {
		line.Source = e.Source.Unmap().String()
	}
	a.add(line, e.Code == "" && isChange(e.Action))
}

// add takes a line; always: it is told even when there was one like it.
func (a *audit) add(line AuditLine, always bool) {
	line.Gateway = a.gateway
	a.mu.Lock()
	told := always || a.isFirst(line)
	if told && len(a.waiting) >= auditWaiting {
		a.lost++
	} else if told {
		a.waiting = append(a.waiting, line)
	}
	a.mu.Unlock()
	if told {
		a.print(line)
	}
}

// isFirst reports whether a call is the first of its kind, and counts it if it
// is not. It is called with mu held.
func (a *audit) isFirst(line AuditLine) bool {
	like := likeness{line.Action, line.Key, line.Resource, line.Source, line.Outcome}
	if one := a.alike[like]; one != nil {
		one.Count, one.At, one.Request = one.Count+1, line.At, line.Request
		return false
	}
	if len(a.alike) >= auditAlike { // too many to tell apart: those are told as one
		like = likeness{outcome: line.Outcome}
		if one := a.alike[like]; one != nil {
			one.Count++
			return false
		}
		line = AuditLine{At: line.At, Gateway: line.Gateway, Action: "*", Outcome: line.Outcome}
	}
	a.alike[like] = &line
	return true
}

func (a *audit) print(l AuditLine) {
	a.log.Info("audit", "action", l.Action, "key", l.Key, "user", l.User, "resource", l.Resource, "source", l.Source, "outcome", l.Outcome,
		"request", l.Request, "skew_unchecked", l.Skew, "more", l.Count)
}

// run stores what was told, and once a minute how often more.
func (a *audit) run(ctx context.Context) error {
	fold := time.Now()
	for pause(ctx, auditEvery) == nil {
		if time.Since(fold) >= auditFold {
			fold = time.Now()
			a.sum()
		}
		a.store(ctx)
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditPatience)
	defer cancel()
	a.sum()
	a.store(late)
	return nil
}

// sum tells how many calls were like those that were told, and begins anew.
func (a *audit) sum() {
	a.mu.Lock()
	var more []AuditLine
	for _, one := range a.alike {
		if one.Count > 0 {
			more = append(more, *one)
		}
	}
	clear(a.alike)
	slices.SortFunc(more, func(x, y AuditLine) int { return x.At.Compare(y.At) })
	room := min(len(more), max(0, auditWaiting-len(a.waiting)))
	a.waiting = append(a.waiting, more[:room]...)
	a.lost += len(more) - room
	a.mu.Unlock()
	for _, line := range more {
		a.print(line)
	}
}

// store puts what waits into the stream. What cannot be stored now waits on.
func (a *audit) store(ctx context.Context) {
	a.storing.Lock()
	defer a.storing.Unlock()
	for {
		a.mu.Lock()
		n, lost := min(len(a.waiting), auditBatch), a.lost
		lines := slices.Clone(a.waiting[:n])
		a.mu.Unlock()
		if n == 0 {
			return
		}
		if err := a.put(ctx, lines); err != nil {
			if kind := shardlog.KindOf(err); ctx.Err() == nil && kind != shardlog.Unavailable && kind != shardlog.Throttled {
				a.log.Warn("the audit is not stored yet", "error", err, "lines", n)
			}
			return
		}
		a.mu.Lock()
		a.waiting = slices.Delete(a.waiting, 0, n)
		a.lost -= lost
		a.mu.Unlock()
		if lost > 0 {
			a.add(AuditLine{At: a.now().UTC(), Action: "headgate:AuditLines", Outcome: "lost", Count: lost}, true)
		}
	}
}

func (a *audit) put(ctx context.Context, lines []AuditLine) error {
	ctx, cancel := context.WithTimeout(ctx, auditPatience)
	defer cancel()
	entries := make([]shardlog.Entry, len(lines))
	for i, line := range lines {
		entries[i] = shardlog.Entry{Key: "audit", Data: mustJSON(line)}
	}
	return putMade(ctx, a.writer, a.control, shardlog.StreamSpec{Name: AuditStream, Shards: 1, Retention: auditRetention, Class: shardlog.Own}, entries)
}

// tellKeys tells of a change of keys, which came over the admin socket.
func (g *Gateway) tellKeys(c access.Change, made access.Made, err error) {
	line := AuditLine{At: g.now().UTC(), Action: "headgate:keys:" + c.Do, Resource: made.ID, User: made.Name, Outcome: "ok", Source: "admin socket"}
	if err != nil {
		line.Resource, line.Outcome = clipped(c.Key), shardlog.KindOf(err).String()
	}
	g.audit.add(line, true)
}

// outcome is a call's, in a word.
func outcome(code string) string { return or(code, "ok") }

// isChange reports whether an operation changes something, by its name.
func isChange(action string) bool {
	_, name, _ := strings.Cut(action, ":")
	for _, look := range []string{"Describe", "List", "Get"} {
		if strings.HasPrefix(name, look) {
			return false
		}
	}
	return true
}

// clipped is what a stranger wrote, no longer than an ARN may be.
func clipped(text string) string {
	const most = 512
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// userOf is the name of a key, "" when it is gone.
func (g *Gateway) userOf(key string) string {
	name, _, _ := g.keys.Policy(key)
	return name
}

// AuditOf reads a record of AuditStream; false when it is none.
func AuditOf(r TailRecord) (line AuditLine, ok bool) {
	return line, json.Unmarshal(r.Data, &line) == nil && line.Action != ""
}

// Audit yields what was done since then, oldest first; follow goes on.
func (c *Client) Audit(ctx context.Context, q TailQuery, yield func(AuditLine) error) error {
	q.Stream = string(AuditStream)
	err := c.Tail(ctx, q, func(r TailRecord) error {
		if line, ok := AuditOf(r); ok {
			return yield(line)
		}
		return nil
	})
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return nil // nothing was ever told
	}
	return err
}
