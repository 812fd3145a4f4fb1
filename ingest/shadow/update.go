package shadow

import (
	"context"
	"encoding/json"

	"headgate/ingest"
	"headgate/shardlog"
)

// Update merges a request into a shadow, or makes it, and announces that on
// …/update/accepted, …/update/documents, and where the thing has yet to do
// something …/update/delta. It answers what …/accepted says. The error is a
// *Rejection, or of the Kinds of ingest.Announcer without Conflict.
func (s *Service) Update(ctx context.Context, id ID, payload []byte) ([]byte, error) {
	s.stats.updates.Add(1)
	r, err := parseUpdate(id, payload)
	if err != nil {
		return nil, s.stats.reject(err)
	}
	answer, err := s.update(ctx, r)
	return answer, s.stats.reject(err)
}

func (s *Service) update(ctx context.Context, r request) (answer []byte, err error) {
	err = s.again(ctx, func() error {
		old, read, err := s.row(ctx, r.id)
		if err != nil {
			return err
		}
		next, err := r.apply(old, s.second())
		if err != nil {
			return err
		}
		with := []shardlog.Mutation{write(r.id, next, read)}
		if read == 0 {
			room, err := s.room(ctx, r.id)
			if err != nil {
				return err
			}
			with = append(with, room...)
		}
		answer = sealed(accepted(r, next), next.at, r.token)
		if err := s.config.Announce(ctx, r.id.Thing, r.announce(old, next, answer), with...); err != nil {
			return err
		}
		if read == 0 {
			s.add(2 - len(with))
		}
		return nil
	})
	return answer, err
}

// second is now, in seconds since 1970.
func (s *Service) second() json.Number { return json.Number(itoa(s.config.Now().Unix())) }

// apply is the shadow after the update. The error is a *Rejection.
func (r request) apply(old row, at json.Number) (row, error) {
	if r.version >= 0 && r.version != old.version {
		return row{}, reject(409, "Version conflict")
	}
	next := row{version: old.version + 1, at: at, desired: r.desired.of(old.desired, at), reported: r.reported.of(old.reported, at)}
	if next.desired.size()+next.reported.size() > MaxState {
		return row{}, reject(413, "The payload exceeds the maximum size allowed")
	}
	return next, nil
}

// announce is what is told of an update.
func (r request) announce(old, next row, answer []byte) []ingest.Announcement {
	topic := r.id.topic() + "/update"
	all := []ingest.Announcement{{Topic: topic + "/accepted", Payload: answer}}
	if delta := next.delta(); delta != nil {
		all = append(all, ingest.Announcement{Topic: topic + "/delta", Payload: sealed(delta, next.at, r.token)})
	}
	both := object{"previous": old.document(false), "current": next.document(false)}
	return append(all, ingest.Announcement{Topic: topic + "/documents", Payload: sealed(both, next.at, r.token)})
}
