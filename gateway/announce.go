package gateway

import (
	"context"
	"time"

	"headgate/ingest"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

// announcer is who publishes what services announce. No device has such a client id.
const announcer = "$aws"

// announceRetention is how long announcements are kept: as long as sessions.
const announceRetention = 7 * 24 * time.Hour

// announceSpec is the stream of announcements. It is made before the first one,
// so that a device which subscribes and leaves before then goes on where it was.
func announceSpec() shardlog.StreamSpec {
	return shardlog.StreamSpec{Name: ingest.AnnounceStream, Retention: announceRetention}
}

// announceAll is the ingest.Announcer of all services. Without a quorum it does
// nothing: what a mutation expects cannot be promised from a spool.
func (g *Gateway) announceAll(ctx context.Context, key string, all []ingest.Announcement, with ...shardlog.Mutation) error {
	entries := make([]shardlog.Entry, len(all))
	for i, a := range all {
		meta := mqtt.Meta{Topic: a.Topic, Client: announcer, QoS: 1}
		entries[i] = shardlog.Entry{Key: key, Data: a.Payload, Meta: meta.Append(nil)}
	}
	return putMade(ctx, g.writer, g.control, announceSpec(), entries, with...)
}

// putMade puts entries into a stream, which it makes when it is not there.
func putMade(ctx context.Context, w shardlog.Writer, control shardlog.Control, spec shardlog.StreamSpec, entries []shardlog.Entry, with ...shardlog.Mutation) error {
	results, err := w.Put(ctx, spec.Name, entries, with...)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		if err := ingest.Make(ctx, control, spec); err != nil {
			return err
		}
		results, err = w.Put(ctx, spec.Name, entries, with...)
	}
	if err != nil {
		return err
	}
	for i := range results {
		if results[i].Err != nil {
			return results[i].Err
		}
	}
	return nil
}
