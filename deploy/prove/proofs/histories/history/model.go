package history

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// The model of a shard is how many records it has. Since each copy at the end
// shows the whole log, each put has its place there, and the only order that
// can explain the log is that of the places:
//
//	put    at place p   is possible when the shard has p records, and makes it one more
//	seen   up to p      is possible when the shard has more than p records: reads may be late, never early
//
// Puts of unknown outcome that are in the log may have happened at any time
// after their call; the others never happened.
type step struct {
	kind  string
	place int
}

func (s step) String() string { return fmt.Sprintf("%s %d", s.kind, s.place) }

// kinds of steps.
const (
	put  = "put at"
	seen = "seen up to"
)

var model = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, _ any) (bool, any) {
		has, s := state.(int), input.(step)
		if s.kind == put {
			return has == s.place, has + 1
		}
		return has > s.place, has
	},
	DescribeOperation:         func(input, _ any) string { return input.(step).String() },
	DescribeOperationMetadata: func(info any) string { return fmt.Sprint(info) },
}

// order asks whether any order of the steps explains what clients saw.
func (c *check) order() {
	result, _ := porcupine.CheckOperationsVerbose(model, c.h.operations(c), Patience)
	switch result {
	case porcupine.Illegal:
		c.fault(Linearizable, "%s", c.why())
	case porcupine.Unknown:
		c.fault(Decided, "after %v", Patience)
	}
}

// Draw writes a page that shows a shard's steps and where they stop to fit.
func (h *History) Draw(shard string, to io.Writer) error {
	c := &check{h: h, shard: shard, places: map[string]int{}, values: map[string]int{}}
	c.copies()
	_, info := porcupine.CheckOperationsVerbose(model, h.operations(c), Patience)
	return porcupine.Visualize(model, info, to)
}

// operations are the steps of one shard.
func (h *History) operations(c *check) (all []porcupine.Operation) {
	clients, ever := map[string]int{}, h.end()
	add := func(client string, s step, called, ended time.Duration, about string) {
		if _, ok := clients[client]; !ok {
			clients[client] = len(clients)
		}
		all = append(all, porcupine.Operation{ClientId: clients[client], Input: s, Call: int64(called), Return: int64(ended), Metadata: about})
	}
	for _, p := range h.Puts {
		place, there := c.values[p.Value]
		switch {
		case p.Shard != c.shard || !there:
		case p.Outcome == Stored:
			add(p.Client, step{put, place}, p.Called, p.Ended, p.Value)
		default:
			add(p.Client+"?"+p.Value, step{put, place}, p.Called, ever, p.Value) // its client goes on while it is open
		}
	}
	owner := c.iterators()
	for _, r := range h.Reads {
		i := owner[r.Iterator]
		if i.Shard != c.shard || len(r.Records) == 0 {
			continue
		}
		if place, there := c.places[r.Records[len(r.Records)-1].Number]; there {
			add(i.Client, step{seen, place}, r.Called, r.Ended, fmt.Sprintf("gateway %d", r.Gateway))
		}
	}
	return all
}

// end is later than all that happened.
func (h *History) end() (last time.Duration) {
	for _, p := range h.Puts {
		last = max(last, p.Ended)
	}
	for _, r := range h.Reads {
		last = max(last, r.Ended)
	}
	return last + time.Second
}

// why is the first step, by place, that cannot have been when it was.
func (c *check) why() string {
	steps := c.h.operations(c)
	slices.SortStableFunc(steps, func(a, b porcupine.Operation) int {
		return a.Input.(step).place*2 + rank(a) - b.Input.(step).place*2 - rank(b)
	})
	var late porcupine.Operation // of the steps so far the one that was called last
	for _, s := range steps {
		if late.Input != nil && s.Return < late.Call {
			return fmt.Sprintf("%v %v ended at %v, before %v %v was called at %v", s.Input, s.Metadata, time.Duration(s.Return), late.Input, late.Metadata, time.Duration(late.Call))
		}
		// A read that saw this place may come at any later time: it holds nothing back.
		if s.Input.(step).kind != seen && (late.Input == nil || s.Call > late.Call) {
			late = s
		}
	}
	return "no order explains it"
}

// rank puts what makes the shard longer before what saw that.
func rank(o porcupine.Operation) int {
	if o.Input.(step).kind == put {
		return 0
	}
	return 1
}
