package shadow

import (
	"context"

	"headgate/ingest"
	"headgate/shardlog"
)

// Takes is ingest.Service's: all topics below $aws/things/THING/shadow/.
func (s *Service) Takes(topic string) bool {
	_, _, ok := parseTopic(topic)
	return ok
}

// Serve is ingest.Service's. The answer is announced on …/accepted or …/rejected.
func (s *Service) Serve(ctx context.Context, q ingest.Request) error {
	id, what, ok := parseTopic(q.Topic)
	if !ok || id.check() != nil {
		return shardlog.Errorf(shardlog.Invalid, "serve shadow", "topic %q names no shadow", q.Topic)
	}
	var r request
	var err error
	switch what {
	case "get":
		s.stats.gets.Add(1)
		if r, _, err = parseRequest(id, q.Payload); err == nil {
			err = s.tell(ctx, r)
		}
	case "update":
		s.stats.updates.Add(1)
		if r, err = parseUpdate(id, q.Payload); err == nil {
			_, err = s.update(ctx, r)
		}
	case "delete":
		s.stats.deletes.Add(1)
		if r, _, err = parseRequest(id, q.Payload); err == nil {
			_, err = s.delete(ctx, r)
		}
	default:
		return shardlog.Errorf(shardlog.Denied, "serve shadow", "nothing is published to %q", q.Topic)
	}
	why := rejection(err)
	if why == nil {
		return err
	}
	_ = s.stats.reject(err) // it comes back as it is
	rejected := sealed(object{"code": why.Code, "message": why.Message}, s.second(), r.token)
	return s.config.Announce(ctx, id.Thing, []ingest.Announcement{{Topic: id.topic() + "/" + what + "/rejected", Payload: rejected}})
}

// tell announces a shadow on …/get/accepted.
func (s *Service) tell(ctx context.Context, r request) error {
	answer, err := s.get(ctx, r)
	if err != nil {
		return err
	}
	return s.config.Announce(ctx, r.id.Thing, []ingest.Announcement{{Topic: r.id.topic() + "/get/accepted", Payload: answer}})
}
