package jobs

import (
	"context"
	"errors"
	"slices"

	"headgate/ingest"
	"headgate/shardlog"
)

// streamVersion is that of every stream: a job's file does not change.
const streamVersion = 1

// serveStream answers for the file of a job: a stream that has the job's name,
// with one file, 0. Only a thing at which the job is pending gets it.
func (s *Service) serveStream(ctx context.Context, t topic, r ingest.Request) error {
	var ask blockRequest
	fault := refuse(InvalidTopic, "no operation has this topic")
	if t.operation != opNone {
		ask, fault = decodeBlockRequest(t.format, r.Payload)
	}
	var err error
	if fault == nil {
		if t.operation == opGetStream {
			err = s.getStream(ctx, t, r, ask)
		} else {
			err = s.describeStream(ctx, t, r, ask)
		}
		if !errors.As(err, &fault) {
			return err
		}
	}
	s.counts.refuse(fault.code)
	fields := []field{{"o", string(fault.code)}, {"m", fault.message}}
	return s.reply(ctx, r, t.stream("rejected"), t.format.encode(ask.signed(fields)))
}

// stream is the topic of an answer.
func (t topic) stream(kind string) string {
	return thingsPrefix + t.thing + "/streams/" + t.id + "/" + kind + "/" + string(t.format)
}

// granted finds the file that a thing may have.
func (s *Service) granted(ctx context.Context, t topic) (Job, fileRow, error) {
	j, _, err := s.job(ctx, t.id)
	if err == nil && j.File == "" || err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return j, fileRow{}, refuse(ResourceNotFound, "there is no such stream")
	}
	if err != nil {
		return j, fileRow{}, err
	}
	b, _, err := s.c.States.Get(ctx, Executions, executionKey(t.thing, t.id))
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return j, fileRow{}, refuse(Unauthorized, "the thing has no such job")
	}
	if err != nil {
		return j, fileRow{}, err
	}
	if e, err := parseExecution(executionKey(t.thing, t.id), b); err != nil || !e.Status.Pending() {
		return j, fileRow{}, refuse(Unauthorized, "the job has ended for this thing")
	}
	f, _, err := s.file(ctx, j.File)
	return j, f, err
}

func (s *Service) describeStream(ctx context.Context, t topic, r ingest.Request, ask blockRequest) error {
	j, f, err := s.granted(ctx, t)
	if err != nil {
		return err
	}
	files := [][]field{{{"f", int64(0)}, {"z", f.Size}}}
	fields := []field{{"s", int64(streamVersion)}, {"d", j.Description}, {"r", files}}
	return s.reply(ctx, r, t.stream("description"), t.format.encode(ask.signed(fields)))
}

// getStream sends blocks, one message for each, up to maxBlocks bytes of them:
// the device asks for the others when it has these.
func (s *Service) getStream(ctx context.Context, t topic, r ingest.Request, ask blockRequest) error {
	if fault := ask.check(); fault != nil {
		return fault
	}
	_, f, err := s.granted(ctx, t)
	if err != nil {
		return err
	}
	if *ask.file != 0 {
		return refuse(ResourceNotFound, "the stream has one file, 0")
	}
	blocks := slices.Collect(ask.blocks(f.Size))
	if len(blocks) == 0 {
		return refuse(ResourceNotFound, "the file has no such block")
	}
	for _, i := range blocks {
		data, err := s.block(ctx, f, i*ask.size, ask.size)
		if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
			return refuse(ResourceNotFound, "the block is there no more")
		}
		if err != nil {
			return err
		}
		fields := []field{{"f", int64(0)}, {"l", int64(len(data))}, {"i", i}, {"p", data}}
		err = s.c.Reply(ctx, r.ClientID, ingest.Announcement{Topic: t.stream("data"), Payload: t.format.encode(ask.signed(fields))})
		if err != nil { // it has gone, or is not fast enough: it asks for what it lacks
			s.counts.unsent.Add(1)
			return nil
		}
		s.counts.blocks.Add(1)
		s.counts.bytes.Add(uint64(len(data)))
	}
	return nil
}
