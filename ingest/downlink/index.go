package downlink

import (
	"strings"
	"sync"
	"sync/atomic"

	"headgate/ingest"
	"headgate/shardlog"
)

// Subscription is one filter of one session, with the options of MQTT 5.0, 3.8.3.1.
type Subscription struct {
	Filter     string // without $share/GROUP/
	Group      string // of a shared subscription; empty: of its own
	QoS        byte
	NoLocal    bool // not what the session has published itself
	AsRetained bool // the retain flag is kept as it was published
	Identifier uint32
}

// Matches reports whether a topic lies under the subscription.
func (s *Subscription) Matches(topic string) bool {
	f, err := ingest.ParseFilter(s.Filter)
	return err == nil && f.Matches(topic)
}

// Name is the subscription as a device names it.
func (s *Subscription) Name() string {
	if s.Group != "" {
		return "$share/" + s.Group + "/" + s.Filter
	}
	return s.Filter
}

// ParseName takes a device's filter apart into group and filter. Kind Invalid:
// it is no topic filter (MQTT 5.0, 4.7.1, 4.8.2).
func ParseName(name string) (s Subscription, err error) {
	bad := func(why string) (Subscription, error) {
		return s, shardlog.Errorf(shardlog.Invalid, "subscribe", "%.80q %s", name, why)
	}
	s.Filter = name
	if rest, shared := strings.CutPrefix(name, "$share/"); shared {
		var ok bool
		if s.Group, s.Filter, ok = strings.Cut(rest, "/"); !ok || s.Group == "" || strings.ContainsAny(s.Group, "+#") {
			return bad("names no group")
		}
	}
	if _, err := ingest.ParseFilter(s.Filter); err != nil {
		return s, err
	}
	return s, nil
}

// index finds the subscriptions that a topic matches. It is safe for
// concurrent use.
type index struct {
	mu    sync.RWMutex
	root  node // guarded by mu
	count int  // guarded by mu
}

// node is one level of filters.
type node struct {
	children map[string]*node
	own      map[*Inbox]Subscription // filters that end here
	shared   map[string]*group       // by name
}

// group is the members of a shared subscription, who take turns.
type group struct {
	members []member
	turn    atomic.Uint32
}

type member struct {
	inbox *Inbox
	Subscription
}

// add adds a subscription, in place of one of the same name.
func (x *index) add(in *Inbox, s Subscription) (replaced bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := &x.root
	for level := range strings.SplitSeq(s.Filter, "/") {
		next := at.children[level]
		if next == nil {
			next = &node{}
			if at.children == nil {
				at.children = map[string]*node{}
			}
			at.children[level] = next
		}
		at = next
	}
	if s.Group != "" {
		replaced = at.join(in, s)
	} else {
		_, replaced = at.own[in]
		if at.own == nil {
			at.own = map[*Inbox]Subscription{}
		}
		at.own[in] = s
	}
	if !replaced {
		x.count++
	}
	return replaced
}

func (n *node) join(in *Inbox, s Subscription) (replaced bool) {
	g := n.shared[s.Group]
	if g == nil {
		g = &group{}
		if n.shared == nil {
			n.shared = map[string]*group{}
		}
		n.shared[s.Group] = g
	}
	for i := range g.members {
		if g.members[i].inbox == in {
			g.members[i].Subscription = s
			return true
		}
	}
	g.members = append(g.members, member{in, s})
	return false
}

// remove removes a subscription, if it is there.
func (x *index) remove(in *Inbox, s Subscription) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.root.remove(in, s, s.Filter, true) {
		x.count--
	}
}

// remove removes below n; rest is what is left of the filter.
func (n *node) remove(in *Inbox, s Subscription, rest string, more bool) (found bool) {
	if more {
		level, rest, more := strings.Cut(rest, "/")
		next := n.children[level]
		if next == nil {
			return false
		}
		found = next.remove(in, s, rest, more)
		if len(next.children)+len(next.own)+len(next.shared) == 0 {
			delete(n.children, level)
		}
		return found
	}
	if s.Group == "" {
		_, found = n.own[in]
		delete(n.own, in)
		return found
	}
	g := n.shared[s.Group]
	if g == nil {
		return false
	}
	for i := range g.members {
		if g.members[i].inbox == in {
			g.members = append(g.members[:i:i], g.members[i+1:]...)
			found = true
			break
		}
	}
	if len(g.members) == 0 {
		delete(n.shared, s.Group)
	}
	return found
}

// match calls yield for each subscription that the topic matches. Of a shared
// one it calls it for one member, who comes next in turn and is ready.
func (x *index) match(topic string, ready func(*Inbox) bool, yield func(*Inbox, Subscription)) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	x.root.match(topic, true, !strings.HasPrefix(topic, "$"), ready, yield)
}

func (n *node) match(rest string, more, wild bool, ready func(*Inbox) bool, yield func(*Inbox, Subscription)) {
	if wild {
		if all := n.children["#"]; all != nil { // it matches its parent too
			all.give(ready, yield)
		}
	}
	if !more {
		n.give(ready, yield)
		return
	}
	level, rest, more := strings.Cut(rest, "/")
	if next := n.children[level]; next != nil && level != "#" && level != "+" {
		next.match(rest, more, true, ready, yield)
	}
	if any := n.children["+"]; any != nil && wild {
		any.match(rest, more, true, ready, yield)
	}
}

func (n *node) give(ready func(*Inbox) bool, yield func(*Inbox, Subscription)) {
	for in, s := range n.own {
		yield(in, s)
	}
	for _, g := range n.shared {
		g.turns(ready, yield)
	}
}

// turns gives to the next member who is ready, else to the next.
func (g *group) turns(ready func(*Inbox) bool, yield func(*Inbox, Subscription)) {
	first := int(g.turn.Add(1))
	for i := range g.members {
		m := g.members[(first+i)%len(g.members)]
		if ready(m.inbox) || i == len(g.members)-1 {
			yield(m.inbox, m.Subscription)
			return
		}
	}
}
