package downlink

import (
	"strconv"
	"strings"
	"time"

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

	// Lasts is how long the session lasts after its device has left. A group lasts
	// as long as the longest of its sessions.
	Lasts time.Duration `json:"lasts,omitempty"`

	// Of a subscription to a stream as a whole.
	From   string                      `json:"from,omitempty"`   // where it began: earliest, latest, seq:N, time:T; empty: latest
	Shard  string                      `json:"shard,omitempty"`  // the only one that it reads, by name or number; empty: all
	Starts map[shardlog.StreamID]Start `json:"starts,omitempty"` // where it goes on
}

// streamPrefix begins filters that name a stream as a whole.
const streamPrefix = "$stream/"

// sharePrefix begins those of shared subscriptions (MQTT 5.0, 4.8.2).
const sharePrefix = "$share/"

// Stream is the stream that the subscription reads as a whole; false: it is one to topics.
func (s *Subscription) Stream() (shardlog.StreamName, bool) {
	rest, ok := strings.CutPrefix(s.Filter, streamPrefix)
	if !ok {
		return "", false
	}
	name, _, _ := strings.Cut(rest, "/")
	return shardlog.StreamName(name), true
}

// Matches reports whether a topic lies under the subscription.
func (s *Subscription) Matches(topic string) bool {
	f, err := ingest.ParseFilter(s.Filter)
	return err == nil && f.Matches(topic)
}

// Name is the subscription as a device names it.
func (s *Subscription) Name() string {
	if s.Group != "" {
		return sharePrefix + s.Group + "/" + s.Filter
	}
	return s.Filter
}

// via is the name under which it is read for, as of Place: that of the group,
// to which members may come by names that differ in where a stream begins.
func (s *Subscription) via() string {
	stream, whole := s.Stream()
	switch {
	case s.Group == "" && whole:
		return s.Name()
	case s.Group == "":
		return ""
	case whole && s.Shard != "":
		return sharePrefix + s.Group + "/" + streamPrefix + string(stream) + "/shard/" + s.Shard
	case whole:
		return sharePrefix + s.Group + "/" + streamPrefix + string(stream)
	}
	return s.Name()
}

// ParseName takes a device's filter apart into group, filter, and of a stream
// as a whole where to begin. Kind Invalid: it is no topic filter (MQTT 5.0,
// 4.7.1, 4.8.2), or names a stream otherwise than as
// $stream/NAME[/from/earliest|latest|seq/N|time/T][/shard/S].
func ParseName(name string) (s Subscription, err error) {
	bad := func(why string) (Subscription, error) {
		return s, shardlog.Errorf(shardlog.Invalid, "subscribe", "%.80q %s", name, why)
	}
	s.Filter = name
	if rest, shared := strings.CutPrefix(name, sharePrefix); shared {
		var ok bool
		if s.Group, s.Filter, ok = strings.Cut(rest, "/"); !ok || s.Group == "" || strings.ContainsAny(s.Group, "+#") {
			return bad("names no group")
		}
	}
	if _, err := ingest.ParseFilter(s.Filter); err != nil {
		return s, err
	}
	stream, whole := s.Stream()
	if !whole {
		return s, nil
	}
	if err := stream.Check(); err != nil {
		return s, err
	}
	_, rest, more := strings.Cut(strings.TrimPrefix(s.Filter, streamPrefix), "/")
	if !more {
		return s, nil
	}
	from, shard, ok := parsePath(strings.Split(rest, "/"))
	if !ok {
		return bad("does not say where to begin")
	}
	return s, s.Begin(from, shard)
}

// parsePath reads from/… and shard/….
func parsePath(levels []string) (from, shard string, ok bool) {
	if len(levels) >= 2 && levels[0] == "from" {
		from, levels = levels[1], levels[2:]
		if (from == "seq" || from == "time") && len(levels) > 0 {
			from, levels = from+":"+levels[0], levels[1:]
		}
	}
	if len(levels) == 2 && levels[0] == "shard" {
		shard, levels = levels[1], nil
	}
	return from, shard, len(levels) == 0
}

// Begin says where a subscription to a stream as a whole begins, and with which
// shard it is content; both may be empty. Kind Invalid.
func (s *Subscription) Begin(from, shard string) error {
	s.From, s.Shard = from, shard
	_, err := s.origin()
	return err
}

// origin is where a stream is read from, as Begin was told.
type origin struct {
	kind  originKind
	seq   shardlog.Seq
	at    time.Time
	shard *uint32 // nil: all
}

type originKind uint8

const (
	latest originKind = iota
	earliest
	fromSeq
	fromTime
)

func (s *Subscription) origin() (o origin, err error) {
	bad := func(why string) (origin, error) {
		return o, shardlog.Errorf(shardlog.Invalid, "subscribe", "from %.80q, shard %.40q: %s", s.From, s.Shard, why)
	}
	if s.Shard != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(s.Shard, "shardId-"), 10, 32)
		if err != nil {
			return bad("no such shard")
		}
		number := uint32(n)
		o.shard = &number
	}
	kind, value, _ := strings.Cut(s.From, ":")
	switch kind {
	case "", "latest":
	case "earliest":
		o.kind = earliest
	case "seq":
		if len(value) > 20 { // as AWS writes it
			n, err := shardlog.ParseSequenceNumber(value)
			if err != nil || o.shard != nil && *o.shard != n.Shard {
				return bad("no sequence number of the shard")
			}
			o.kind, o.seq, o.shard, value = fromSeq, n.Index, &n.Shard, ""
			break
		}
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil || o.shard == nil {
			return bad("seq wants a number, and the shard that it belongs to")
		}
		o.kind, o.seq, value = fromSeq, shardlog.Seq(n), ""
	case "time":
		if ms, err := strconv.ParseUint(value, 10, 48); err == nil {
			o.at = time.UnixMilli(int64(ms))
		} else if o.at, err = time.Parse(time.RFC3339Nano, value); err != nil {
			return bad("time wants RFC 3339 or Unix milliseconds")
		}
		o.kind, value = fromTime, ""
	default:
		return bad("earliest, latest, seq:N or time:T is possible")
	}
	if value != "" {
		return bad("nothing more is possible")
	}
	return o, nil
}
