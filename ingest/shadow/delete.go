package shadow

import (
	"context"

	"headgate/ingest"
)

// Delete deletes a shadow and announces that on …/delete/accepted. One made
// under the same name within 48 hours has the next version. It answers what
// …/accepted says. The error is a *Rejection, or of the Kinds of
// ingest.Announcer without Conflict.
func (s *Service) Delete(ctx context.Context, id ID) ([]byte, error) {
	s.stats.deletes.Add(1)
	r, _, err := parseRequest(id, nil)
	if err != nil {
		return nil, s.stats.reject(err)
	}
	answer, err := s.delete(ctx, r)
	return answer, s.stats.reject(err)
}

func (s *Service) delete(ctx context.Context, r request) (answer []byte, err error) {
	err = s.again(ctx, func() error {
		old, read, err := s.row(ctx, r.id)
		if err != nil {
			return err
		}
		if !old.there() {
			return missing(r.id)
		}
		left := row{version: old.version, at: s.second(), deleted: true}
		answer = sealed(object{"version": old.version}, left.at, r.token)
		told := ingest.Announcement{Topic: r.id.topic() + "/delete/accepted", Payload: answer}
		return s.config.Announce(ctx, r.id.Thing, []ingest.Announcement{told}, write(r.id, left, read))
	})
	return answer, err
}
