// Package ingest decides where what devices send is stored: Routes leads from
// a topic (a track, a path) to a stream and a partition key. It knows no
// protocol and no network; the doors in its sub-folders do.
package ingest

import (
	"headgate/shardlog"
)

// DefaultStream takes what no route names.
const DefaultStream shardlog.StreamName = "telemetry"

// Route is one rule of a Routes table.
type Route struct {
	// Filter is an MQTT topic filter: levels between slashes, + for any one
	// level, # at the end for any rest. A wildcard in front does not match
	// topics that begin with $.
	Filter string
	// Stream is where matching messages go; empty: DefaultStream.
	Stream shardlog.StreamName
	// Key is the template of the partition key; empty: {clientid}. See Routes.Find.
	Key string
	// Shards is how many shards the stream gets if it has to be made; zero
	// leaves it to the log.
	Shards int
	// Refuse makes matching messages Denied. Stream and Key then mean nothing.
	Refuse bool
}

// Source says who sent a message and under which topic.
type Source struct {
	Topic    string
	ClientID string
	Username string
}

// Target is where a message goes.
type Target struct {
	Stream shardlog.StreamName
	Key    string
}

// Routes is a compiled table of routes. It is immutable and safe for
// concurrent use.
type Routes struct {
	rules   []rule
	streams []shardlog.StreamSpec
}

// rule is a compiled Route.
type rule struct {
	filter Filter
	stream shardlog.StreamName
	key    template
	refuse bool
}

// NewRoutes compiles routes; the first that matches wins. Unless one of them
// has the filter #, everything they leave over goes to DefaultStream by client
// id, so that an empty table needs no configuration. Kind Invalid: a filter, a
// stream's name or a template is malformed, or two routes disagree on the
// shards of a stream.
func NewRoutes(routes []Route) (*Routes, error) {
	r := &Routes{}
	all := false
	for _, route := range routes {
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

// add compiles one route and appends it.
func (r *Routes) add(route Route) error {
	f, err := ParseFilter(route.Filter)
	if err != nil {
		return err
	}
	if route.Refuse {
		r.rules = append(r.rules, rule{filter: f, refuse: true})
		return nil
	}
	if route.Stream == "" {
		route.Stream = DefaultStream
	}
	if err := route.Stream.Check(); err != nil {
		return err
	}
	if route.Stream.Own() {
		return shardlog.Errorf(shardlog.Invalid, "compile route", "%q: stream %s is the gateway's own", route.Filter, route.Stream)
	}
	key, err := parseTemplate(route.Key)
	if err != nil {
		return err
	}
	r.rules = append(r.rules, rule{filter: f, stream: route.Stream, key: key})
	return r.target(route)
}

// target notes the route's stream among those the table leads to.
func (r *Routes) target(route Route) error {
	if route.Shards < 0 || route.Shards > shardlog.MaxShardsByStream {
		return shardlog.Errorf(shardlog.Invalid, "compile route", "%q: %d shards, 1 to %d are allowed",
			route.Filter, route.Shards, shardlog.MaxShardsByStream)
	}
	for i := range r.streams {
		s := &r.streams[i]
		if s.Name != route.Stream {
			continue
		}
		if s.Shards != 0 && route.Shards != 0 && s.Shards != route.Shards {
			return shardlog.Errorf(shardlog.Invalid, "compile route", "%q: stream %s has %d shards in another route, %d here",
				route.Filter, route.Stream, s.Shards, route.Shards)
		}
		s.Shards = max(s.Shards, route.Shards)
		return nil
	}
	r.streams = append(r.streams, shardlog.StreamSpec{Name: route.Stream, Shards: route.Shards})
	return nil
}

// Find is the target of a message. Kind Denied: a route refuses the topic.
//
// The key comes from the route's template, in which {clientid}, {username},
// {topic} and {topic.N} (its Nth level, from 1) stand for the message's own. A
// key that names something the message lacks, that is empty or that is longer
// than a partition key may be is replaced by the client id, so that no message
// is lost for its key and a device's order holds.
func (r *Routes) Find(from Source) (Target, error) {
	for i := range r.rules {
		rule := &r.rules[i]
		if !rule.filter.Matches(from.Topic) {
			continue
		}
		if rule.refuse {
			break
		}
		return Target{Stream: rule.stream, Key: rule.key.fill(from)}, nil
	}
	return Target{}, &shardlog.Error{Kind: shardlog.Denied, Op: "route message"}
}

// Streams are the streams that the table leads to, in the order of the
// routes. The caller must not change them.
func (r *Routes) Streams() []shardlog.StreamSpec { return r.streams }
