package ingest

import (
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"headgate/shardlog"
)

// names are the streams that templates may lead to, and have.
type names struct {
	patterns []string
	most     int
	catalog  shardlog.Catalog // nil: it shows nothing

	mu    sync.Mutex                                     // held to replace known
	known atomic.Pointer[map[string]shardlog.StreamSpec] // never changed, only replaced
}

// denial says why a template leads nowhere.
type denial uint8

const (
	allowed denial = iota
	outside        // the name is not allowed
	full           // there are too many
)

// allow sets the patterns. Kind Invalid.
func (n *names) allow(c Create) error {
	if c.Most < 0 || c.Most > mostCreatable {
		return shardlog.Errorf(shardlog.Invalid, "compile routes", "%d streams by templates, 1 to %d are allowed", c.Most, mostCreatable)
	}
	for _, p := range c.Allow {
		if err := shardlog.StreamName(strings.ReplaceAll(p, "*", "x")).Check(); err != nil {
			return shardlog.Errorf(shardlog.Invalid, "compile routes", "pattern %q: only letters, digits and _ . - are allowed, and * for any text", p)
		}
	}
	n.patterns = c.Allow
	n.known.Store(&map[string]shardlog.StreamSpec{})
	return nil
}

// sanitise makes a name of a stream of any text.
func sanitise(b []byte) {
	for i, c := range b {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
		default:
			b[i] = '-'
		}
	}
}

// take is the stream of that name if a template may lead there. It allocates
// nothing for one that it knows.
func (n *names) take(name []byte, shards int) (shardlog.StreamName, denial) {
	if s, ok := (*n.known.Load())[string(name)]; ok {
		return s.Name, allowed
	}
	spec := shardlog.StreamSpec{Name: shardlog.StreamName(name), Shards: shards}
	if !n.allows(spec.Name) {
		return "", outside
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	known := *n.known.Load()
	if s, ok := known[string(spec.Name)]; ok {
		return s.Name, allowed
	}
	there := n.exists(spec.Name)
	if !there && len(known) >= n.most {
		return "", full
	}
	known = maps.Clone(known)
	defer n.known.Store(&known)
	if !there {
		for _, name := range n.list("*") { // those made otherwise count
			if _, ok := known[string(name)]; !ok {
				known[string(name)] = shardlog.StreamSpec{Name: name}
			}
		}
		if len(known) >= n.most {
			return "", full
		}
	}
	known[string(spec.Name)] = spec
	return spec.Name, allowed
}

// allows reports whether a pattern has the name. The gateway's own streams are
// out of reach.
func (n *names) allows(name shardlog.StreamName) bool {
	return name.Check() == nil && !name.Own() &&
		slices.ContainsFunc(n.patterns, func(p string) bool { return fits(p, name) })
}

// fits reports whether a pattern, which is well formed, has the name.
func fits(pattern string, name shardlog.StreamName) bool {
	ok, err := path.Match(pattern, string(name))
	return ok && err == nil
}

func (n *names) exists(name shardlog.StreamName) bool {
	if n.catalog == nil {
		return false
	}
	_, there := n.catalog.Stream(name)
	return there
}

// list are the streams of names that are allowed and fit, those that are to be
// made included.
func (n *names) list(glob string) (all []shardlog.StreamName) {
	for _, s := range *n.known.Load() {
		if fits(glob, s.Name) {
			all = append(all, s.Name)
		}
	}
	if n.catalog != nil {
		for _, s := range n.catalog.Streams() {
			if _, known := (*n.known.Load())[string(s.Name)]; !known && fits(glob, s.Name) && n.allows(s.Name) {
				all = append(all, s.Name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (n *names) spec(name shardlog.StreamName) (shardlog.StreamSpec, bool) {
	s, ok := (*n.known.Load())[string(name)]
	return s, ok
}
