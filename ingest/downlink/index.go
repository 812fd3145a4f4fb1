package downlink

import (
	"strings"
	"sync"
)

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
	_, replaced = at.own[in]
	if at.own == nil {
		at.own = map[*Inbox]Subscription{}
	}
	at.own[in] = s
	if !replaced {
		x.count++
	}
	return replaced
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
		if len(next.children)+len(next.own) == 0 {
			delete(n.children, level)
		}
		return found
	}
	_, found = n.own[in]
	delete(n.own, in)
	return found
}

// match calls yield for each subscription that the topic matches.
func (x *index) match(topic string, yield func(*Inbox, Subscription)) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	x.root.match(topic, true, !strings.HasPrefix(topic, "$"), yield)
}

func (n *node) match(rest string, more, wild bool, yield func(*Inbox, Subscription)) {
	if wild {
		if all := n.children["#"]; all != nil { // it matches its parent too
			all.give(yield)
		}
	}
	if !more {
		n.give(yield)
		return
	}
	level, rest, more := strings.Cut(rest, "/")
	if next := n.children[level]; next != nil && level != "#" && level != "+" {
		next.match(rest, more, true, yield)
	}
	if any := n.children["+"]; any != nil && wild {
		any.match(rest, more, true, yield)
	}
}

func (n *node) give(yield func(*Inbox, Subscription)) {
	for in, s := range n.own {
		yield(in, s)
	}
}
