package decode

import (
	"strings"
	"sync"

	"headgate/shardlog"
)

// Bounds of an Edges.
const (
	maxEdges      = 4096    // edge nodes
	maxDevices    = 1 << 14 // of all edge nodes, which count as one each
	maxAliases    = 1 << 18 // of all edge nodes
	maxAliasBytes = 8 << 20 // of their names
)

// Edges follows Sparkplug B's edge nodes: which names their aliases stand for,
// and whether their numbers follow one another. It knows what went by since it
// was made: an edge node that was born earlier, or through another gateway, is
// Unborn until its next birth, and its aliases unknown. The zero value is
// ready; it is safe for concurrent use.
type Edges struct {
	mu    sync.Mutex
	edges map[place]*edge // guarded by mu
	bytes int             // of the names of aliases; guarded by mu
	stats EdgeStats       // guarded by mu
}

// EdgeStats counts what edge nodes sent.
type EdgeStats struct {
	Edges   int // edge nodes whose birth is known
	Devices int // of theirs that are alive, and the edge nodes themselves
	Aliases int // of theirs that are known

	Messages   uint64 // payloads read
	Malformed  uint64 // payloads that are no Sparkplug B, or lack what they must have
	Births     uint64 // NBIRTH and DBIRTH
	Deaths     uint64 // NDEATH and DDEATH
	Stale      uint64 // of them NDEATHs of a birth before the last one
	Gaps       uint64 // payloads whose seq does not follow the one before
	Unborn     uint64 // payloads of edge nodes and devices whose birth is not known
	Unknown    uint64 // metrics whose alias is not known
	Historical uint64 // metrics that were measured earlier
	Dropped    uint64 // births that were not kept: there are too many edge nodes or aliases
}

// place names an edge node.
type place struct{ group, edge string }

// edge is one edge node that was born.
type edge struct {
	seq     uint8              // of the last payload
	bdSeq   uint64             // of the birth
	hasBD   bool               // it gave one
	aliases map[string]aliases // by device, "" for the node's own
}

// aliases are the metrics of one birth.
type aliases map[uint64]metric

// metric is what a birth says of an alias.
type metric struct {
	name string
	typ  uint32
}

// bdSeq is the metric by which a death belongs to a birth.
const bdSeq = "bdSeq"

// Observe reads one payload and notes what it says of its edge node. each, if
// not nil, is called with the metrics, with names in place of aliases as far
// as they are known; it must not call Edges. Payloads of one edge node must
// come in order. Kind Invalid: it is no Sparkplug B; it is counted.
func (e *Edges) Observe(topic string, b []byte, each func(*Metric)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.Messages++
	t, ok := ParseSparkplugTopic(topic)
	if !ok {
		e.stats.Malformed++
		return shardlog.Errorf(shardlog.Invalid, "read sparkplug", "topic %.80q", topic)
	}
	err := e.observe(t, b, each)
	if err != nil {
		e.stats.Malformed++
	}
	return err
}

// observe is Observe with mu held.
func (e *Edges) observe(t SparkplugTopic, b []byte, each func(*Metric)) error {
	birth := t.Type == "NBIRTH" || t.Type == "DBIRTH"
	known := e.edges[place{t.Group, t.Edge}]
	var fresh aliases // aliases of a birth
	var number Value  // bdSeq
	p, err := sparkplug(b, func(m *Metric) {
		if m.Historical {
			e.stats.Historical++
		}
		if m.Name == bdSeq {
			number = m.Value
		}
		switch {
		case birth && m.HasAlias && m.Name != "":
			if fresh == nil {
				fresh = aliases{}
			}
			fresh[m.Alias] = metric{m.Name, m.Type}
		case m.Name == "" && m.HasAlias:
			if !known.name(t.Device, m) {
				e.stats.Unknown++
			}
		}
		if each != nil {
			each(m)
		}
	})
	if err != nil {
		return err
	}
	if err := p.check(t.Type); err != nil {
		return err
	}
	switch t.Type {
	case "NBIRTH":
		e.born(t, p, number, fresh)
		if f, ok := number.Float(); !ok || f < 0 || f > 255 {
			return shardlog.Errorf(shardlog.Invalid, "read sparkplug", "NBIRTH without a bdSeq of 0 to 255")
		}
	case "NDEATH":
		e.died(t, known, number)
	case "NCMD", "DCMD": // go to the edge node and have no seq
	default:
		e.follow(t, known, p, fresh)
	}
	return nil
}

// name gives a metric the name that its alias stands for, and its type; false:
// they are not known.
func (e *edge) name(device string, m *Metric) bool {
	if e == nil {
		return false
	}
	born, ok := e.aliases[device][m.Alias]
	if m.Name = born.name; m.Type == 0 {
		m.Type = born.typ
		m.sign()
	}
	return ok
}

// check says whether the payload has the seq that its type must have, 0 to 255.
func (p payload) check(typ string) error {
	switch typ {
	case "NDEATH", "NCMD", "DCMD":
		return nil
	}
	if !p.hasSeq || p.seq > 255 {
		return shardlog.Errorf(shardlog.Invalid, "read sparkplug", "%s without a seq of 0 to 255", typ)
	}
	return nil
}

// born notes an NBIRTH, which begins everything anew.
func (e *Edges) born(t SparkplugTopic, p payload, number Value, fresh aliases) {
	e.stats.Births++
	at := place{t.Group, t.Edge}
	e.forget(at)
	if len(e.edges) >= maxEdges || !e.room(fresh) {
		e.stats.Dropped++
		return
	}
	if e.edges == nil {
		e.edges = map[place]*edge{}
	}
	n := &edge{seq: uint8(p.seq), aliases: map[string]aliases{}}
	if n.hasBD = number.Kind == Number; n.hasBD {
		n.bdSeq = number.bits
	}
	e.edges[place{strings.Clone(t.Group), strings.Clone(t.Edge)}] = n
	e.learn(n, "", fresh)
}

// died notes an NDEATH. The broker may send an old one after the birth that
// followed it, since it is the will of a connection that broke.
func (e *Edges) died(t SparkplugTopic, known *edge, number Value) {
	e.stats.Deaths++
	if known != nil && known.hasBD && (number.Kind != Number || number.bits != known.bdSeq) {
		e.stats.Stale++
		return
	}
	e.forget(place{t.Group, t.Edge})
}

// follow notes what comes between a birth and a death: its seq is the next.
func (e *Edges) follow(t SparkplugTopic, known *edge, p payload, fresh aliases) {
	switch t.Type {
	case "DBIRTH":
		e.stats.Births++
	case "DDEATH":
		e.stats.Deaths++
	}
	if known == nil {
		e.stats.Unborn++
		return
	}
	if uint8(p.seq) != known.seq+1 {
		e.stats.Gaps++
	}
	known.seq = uint8(p.seq)
	_, alive := known.aliases[t.Device]
	switch t.Type {
	case "DBIRTH":
		e.unlearn(known, t.Device)
		if !e.room(fresh) {
			e.stats.Dropped++
			return
		}
		e.learn(known, strings.Clone(t.Device), fresh)
	case "DDEATH":
		e.unlearn(known, t.Device)
	case "DDATA":
		if !alive {
			e.stats.Unborn++
		}
	}
}

// room reports whether a birth's aliases may be kept.
func (e *Edges) room(fresh aliases) bool {
	return e.stats.Devices < maxDevices && e.stats.Aliases+len(fresh) <= maxAliases && e.bytes+bytesOf(fresh) <= maxAliasBytes
}

// learn keeps a birth's aliases, also when there are none: its device is born.
func (e *Edges) learn(n *edge, device string, fresh aliases) {
	n.aliases[device] = fresh
	e.stats.Devices++
	e.stats.Aliases += len(fresh)
	e.bytes += bytesOf(fresh)
}

// unlearn drops a device of an edge node, if that has it.
func (e *Edges) unlearn(n *edge, device string) {
	old, there := n.aliases[device]
	if !there {
		return
	}
	delete(n.aliases, device)
	e.stats.Devices--
	e.stats.Aliases -= len(old)
	e.bytes -= bytesOf(old)
}

// forget drops an edge node with its devices.
func (e *Edges) forget(at place) {
	if old := e.edges[at]; old != nil {
		for device := range old.aliases {
			e.unlearn(old, device)
		}
		delete(e.edges, at)
	}
}

func bytesOf(names aliases) (n int) {
	for _, m := range names {
		n += len(m.name)
	}
	return n
}

// Stats is a snapshot.
func (e *Edges) Stats() EdgeStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Edges = len(e.edges)
	return s
}
