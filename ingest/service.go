package ingest

import (
	"context"

	"headgate/shardlog"
)

// Service answers what devices publish to reserved topics, which begin with
// "$aws/" and lead to no stream: shadows, jobs. Doors offer it what matches.
type Service interface {
	// Takes reports whether messages to the topic are the service's.
	Takes(topic string) bool
	// Serve handles one request and returns when what it changed and what it
	// announces is as durable as a record. A request that the service rejects is
	// no error: that is announced, too. Requests of one client come in order, one
	// at a time. It keeps nothing of r after it returned. Kinds: Invalid, Denied:
	// the topic is none that clients publish to; Throttled and Unavailable: nothing
	// was changed, the client may try again.
	Serve(ctx context.Context, r Request) error
}

// Request is one message to a reserved topic.
type Request struct {
	ClientID string
	Topic    string
	Payload  []byte
}

// Announcement is a message that a service publishes, QoS 1.
type Announcement struct {
	Topic   string
	Payload []byte
}

// Announcer publishes messages in order, and changes state in the same command:
// all or nothing. They are records of the gateway's own stream AnnounceStream,
// so that who is away finds them later; key decides the shard and thereby what
// is ordered. Kinds as of shardlog.Writer and shardlog.States; Conflict: an
// expectation of a mutation did not hold, and nothing was done.
type Announcer func(ctx context.Context, key string, all []Announcement, with ...shardlog.Mutation) error

// AnnounceStream holds what services announce.
const AnnounceStream shardlog.StreamName = "_things"
