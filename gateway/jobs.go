package gateway

import (
	"context"

	"headgate/ingest"
	"headgate/ingest/jobs"
	"headgate/shardlog"
)

// wireJobs makes the service of jobs and their files.
func (g *Gateway) wireJobs() (err error) {
	g.jobs, err = jobs.New(jobs.Config{States: g.states, Announce: g.announceAll, Reply: g.replyTo, Writer: g.writer, Reader: g.store, Catalog: g.store,
		Control: g.control, Now: g.now, Log: g.log})
	if err == nil {
		g.services = append(g.services, g.jobs)
	}
	return err
}

// replyTo sends a client that is connected here, and has subscribed to the
// topic, a message of QoS 0.
func (g *Gateway) replyTo(_ context.Context, client string, a ingest.Announcement) error {
	if g.mqtt == nil {
		return shardlog.Errorf(shardlog.Unavailable, "reply", "the broker is off")
	}
	g.mqtt.Reply(client, a)
	return nil
}
