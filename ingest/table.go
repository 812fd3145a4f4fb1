package ingest

import (
	"cmp"
	"strings"

	"headgate/shardlog"
)

// Table is a table of routes as it is configured. The zero value leads
// everything to DefaultStream.
type Table struct {
	Routes []Route
	Create Create
	// Catalog shows which streams there are. Nil: templates know only of those
	// that they led to themselves.
	Catalog shardlog.Catalog
}

// Create bounds where templates of streams may lead: a device must not make
// streams at will.
type Create struct {
	// Allow are patterns of names, in which * stands for any text: site-*.
	Allow []string
	// Most is how many streams with such names there may be before templates
	// make no more; those made otherwise count. Zero: 64. Gateways that make
	// streams in the same moment may pass it by a few.
	Most int
}

// Bounds of Create.Most.
const (
	mostCreated   = 64
	mostCreatable = 1000
)

// NewRoutes compiles routes without templates of streams; see Table.Compile.
func NewRoutes(routes []Route) (*Routes, error) { return Table{Routes: routes}.Compile() }

// Compile makes the table; the first route that matches wins. Unless one of
// them has the filter #, everything they leave over goes to DefaultStream by
// client id, so that an empty table needs no configuration. Kind Invalid: a
// filter, a stream's name or a template is malformed, a template of a stream
// is given no names, a payload is taken for two things, or two routes disagree
// on the shards of a stream.
func (t Table) Compile() (*Routes, error) {
	r := &Routes{names: names{most: cmp.Or(t.Create.Most, mostCreated), catalog: t.Catalog}}
	if err := r.names.allow(t.Create); err != nil {
		return nil, err
	}
	all := false
	for _, route := range t.Routes {
		if err := r.add(route); err != nil {
			return nil, err
		}
		all = all || route.Filter == "#"
	}
	if !all {
		if err := r.add(Route{Filter: "#"}); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// rule is a compiled Route.
type rule struct {
	text   string // of filter
	filter Filter
	stream shardlog.StreamName
	names  template // of the stream; nil: it is stream
	glob   string   // of names
	shards int      // of a stream that names lead to
	key    template
	decode Decode // payloads are read as a whole
	format Decode // what payloads are taken for, wholly or in part
	only   bool   // recorded only
	refuse bool
}

// add compiles one route and appends it.
func (r *Routes) add(route Route) error {
	f, err := ParseFilter(route.Filter)
	if err != nil {
		return err
	}
	if route.Refuse {
		r.rules = append(r.rules, rule{text: route.Filter, filter: f, refuse: true})
		return nil
	}
	made := rule{text: route.Filter, filter: f, shards: route.Shards, decode: route.Decode, only: route.RecordOnly}
	if made.key, err = parseTemplate(cmp.Or(route.Key, "{clientid}")); err != nil {
		return err
	}
	route.Stream = cmp.Or(route.Stream, DefaultStream)
	if strings.ContainsAny(string(route.Stream), "{}") {
		if err := r.name(&made, route); err != nil {
			return err
		}
		route.Stream, route.Shards = DefaultStream, 0 // where messages go that a name is wanting for
	}
	made.stream = route.Stream
	if err := made.read(route); err != nil {
		return err
	}
	if err := route.Stream.Check(); err != nil {
		return err
	}
	if route.Stream.Own() {
		return badRoute(route, "stream %s is the gateway's own", route.Stream)
	}
	r.rules = append(r.rules, made)
	return r.target(route)
}

func badRoute(route Route, format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "compile route "+route.Filter, format, args...)
}

// name compiles the template of a stream.
func (r *Routes) name(made *rule, route Route) (err error) {
	if made.names, err = parseTemplate(string(route.Stream)); err != nil {
		return err
	}
	if len(r.names.patterns) == 0 {
		return badRoute(route, "stream %s is a template: list the names that it may lead to", route.Stream)
	}
	for i, p := range made.names {
		if p.field == fieldText && shardlog.StreamName(p.text).Check() != nil {
			return badRoute(route, "stream %s: only letters, digits and _ . - are allowed around fields", route.Stream)
		}
		if i == 0 && p.field == fieldText && shardlog.StreamName(p.text).Own() {
			return badRoute(route, "stream %s is the gateway's own", route.Stream)
		}
	}
	made.glob = made.names.glob()
	return checkShards(route)
}

// read decides what payloads are taken for.
func (made *rule) read(route Route) error {
	switch made.decode {
	case "", DecodeJSON, DecodeCBOR, DecodeSparkplug:
	default:
		return badRoute(route, "decode %q: json, cbor and sparkplug are known", route.Decode)
	}
	made.format = made.decode
	for _, t := range []template{made.key, made.names} {
		for _, p := range t {
			format, reads := p.format()
			if !reads {
				continue
			}
			if made.format != "" && made.format != format {
				return badRoute(route, "payloads are taken for %s and for %s", made.format, format)
			}
			made.format = format
		}
	}
	return nil
}

func checkShards(route Route) error {
	if route.Shards < 0 || route.Shards > shardlog.MaxShardsByStream {
		return badRoute(route, "%d shards, 1 to %d are allowed", route.Shards, shardlog.MaxShardsByStream)
	}
	return nil
}

// target notes the route's stream among those the table leads to.
func (r *Routes) target(route Route) error {
	if err := checkShards(route); err != nil {
		return err
	}
	for i := range r.streams {
		s := &r.streams[i]
		if s.Name != route.Stream {
			continue
		}
		if s.Shards != 0 && route.Shards != 0 && s.Shards != route.Shards {
			return badRoute(route, "stream %s has %d shards in another route, %d here", route.Stream, s.Shards, route.Shards)
		}
		s.Shards = max(s.Shards, route.Shards)
		return nil
	}
	r.streams = append(r.streams, shardlog.StreamSpec{Name: route.Stream, Shards: route.Shards})
	return nil
}
