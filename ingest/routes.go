package ingest

import (
	"slices"
	"unicode/utf8"

	"headgate/ingest/decode"
	"headgate/shardlog"
)

// Routes is a compiled table of routes. It is safe for concurrent use; only
// what it counts and the streams that its templates led to change.
type Routes struct {
	rules   []rule
	streams []shardlog.StreamSpec
	names   names
	edges   decode.Edges
	counts  counters
}

// Find is the target of a message. Kind Denied: a route refuses the topic.
//
// Templates stand for what a message has: {clientid}, {username}, {topic},
// {topic.N} (its Nth level, from 1) and {topic.N-} (that and all behind),
// {qos}, {user.NAME} (a user property), {json.PATH} and {cbor.PATH} (a field of
// the payload: names and, in lists, numbers from 0, with dots between),
// {sparkplug.group}, {sparkplug.type}, {sparkplug.edge} and {sparkplug.device}
// (of a topic of Sparkplug B). Modifiers may follow, in order: |lower,
// |hash:N (the first N hexadecimal digits of SHA-256), |default:TEXT for what is
// missing or empty.
//
// A key that names something the message lacks, that is empty or that is longer
// than a partition key may be is replaced by the client id, so that no message
// is lost for its key and a device's order holds. In a stream's name, what may
// not stand there becomes -; messages without a name, or with one that Create
// does not allow, go to DefaultStream. Stats counts them all.
func (r *Routes) Find(from Source) (Target, error) {
	for i := range r.rules {
		rule := &r.rules[i]
		if !rule.filter.Matches(from.Topic) {
			continue
		}
		if rule.refuse {
			break
		}
		return r.aim(rule, &from), nil
	}
	return Target{}, &shardlog.Error{Kind: shardlog.Denied, Op: "route message"}
}

// aim is where a rule leads a message.
func (r *Routes) aim(rule *rule, from *Source) Target {
	to := Target{Stream: rule.stream, Filter: rule.text, RecordOnly: rule.only}
	bad := rule.decode != "" && len(from.Payload) > 0 && r.check(rule.decode, from) != nil
	var o outcome
	to.Key, o = rule.key.fill(from)
	if to.Key == "" || len(to.Key) > shardlog.MaxPartitionKey && utf8.RuneCountInString(to.Key) > shardlog.MaxPartitionKey {
		to.Key = from.ClientID
		r.counts.unkeyed.Add(1)
	}
	if rule.names != nil {
		var named outcome
		to.Stream, named = r.stream(rule, from)
		o |= named
	}
	if bad || o&malformed != 0 {
		r.counts.malformed[rule.format.place()].Add(1)
	}
	return to
}

// check reads a whole payload.
func (r *Routes) check(as Decode, from *Source) error {
	switch as {
	case DecodeJSON:
		return decode.CheckJSON(from.Payload)
	case DecodeCBOR:
		return decode.CheckCBOR(from.Payload)
	}
	return r.edges.Observe(from.Topic, from.Payload, nil)
}

// stream is the stream that a template leads to.
func (r *Routes) stream(rule *rule, from *Source) (shardlog.StreamName, outcome) {
	var room [shardlog.MaxStreamName]byte
	b, o := rule.names.append(room[:0], from)
	if o&missing != 0 || len(b) == 0 {
		r.counts.unnamed.Add(1)
		return rule.stream, o
	}
	sanitise(b)
	name, denied := r.names.take(b, rule.shards)
	switch denied {
	case outside:
		r.counts.outside.Add(1)
		return rule.stream, o
	case full:
		r.counts.full.Add(1)
		return rule.stream, o
	}
	return name, o
}

// Streams are the streams that the table leads to without templates, in the
// order of the routes. The caller must not change them.
func (r *Routes) Streams() []shardlog.StreamSpec { return r.streams }

// All are the names of the streams that the table leads to, and of those that
// there are and that its templates may lead to.
func (r *Routes) All() (all []shardlog.StreamName) {
	for _, s := range r.streams {
		all = append(all, s.Name)
	}
	for i := range r.rules {
		if r.rules[i].names == nil {
			continue
		}
		for _, name := range r.names.list(r.rules[i].glob) {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// Spec is how a stream that Find has named, or may name without templates, is
// to be made; false: it is none of those.
func (r *Routes) Spec(name shardlog.StreamName) (shardlog.StreamSpec, bool) {
	for _, s := range r.streams {
		if s.Name == name {
			return s, true
		}
	}
	return r.names.spec(name)
}
