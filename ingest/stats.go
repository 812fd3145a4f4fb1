package ingest

import (
	"sync/atomic"

	"headgate/ingest/decode"
)

// Stats counts messages for which routes had to make do, since the table was
// compiled. All of them were stored.
type Stats struct {
	Unkeyed   uint64            // by client id, because a field of the key was missing, or the key was empty or too long
	Unnamed   uint64            // in DefaultStream, because a field of the stream's name was missing
	Outside   uint64            // in DefaultStream, because Create allows no stream of that name
	Full      uint64            // in DefaultStream, because there are as many streams as Create allows
	Malformed map[Decode]uint64 // payloads that are not what their route takes them for
	Streams   int               // that templates led to
	Sparkplug decode.EdgeStats
}

// formats are those that payloads are taken for.
var formats = [...]Decode{DecodeJSON, DecodeCBOR, DecodeSparkplug}

// place is the format's among formats.
func (d Decode) place() int {
	for i, f := range formats {
		if f == d {
			return i
		}
	}
	return 0
}

// counters are the running totals behind Stats.
type counters struct {
	unkeyed, unnamed, outside, full atomic.Uint64
	malformed                       [len(formats)]atomic.Uint64
}

// Stats is a snapshot. It may be called at any time.
func (r *Routes) Stats() Stats {
	s := Stats{
		Unkeyed: r.counts.unkeyed.Load(), Unnamed: r.counts.unnamed.Load(), Outside: r.counts.outside.Load(), Full: r.counts.full.Load(),
		Malformed: map[Decode]uint64{}, Streams: len(*r.names.known.Load()), Sparkplug: r.edges.Stats(),
	}
	for i, f := range formats {
		s.Malformed[f] = r.counts.malformed[i].Load()
	}
	return s
}
