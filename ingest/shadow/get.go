package shadow

import "context"

// Get is a shadow, with what the thing has yet to do. The error is a
// *Rejection, or of the Kinds of shardlog.States.
func (s *Service) Get(ctx context.Context, id ID) ([]byte, error) {
	s.stats.gets.Add(1)
	r, _, err := parseRequest(id, nil)
	if err != nil {
		return nil, s.stats.reject(err)
	}
	answer, err := s.get(ctx, r)
	return answer, s.stats.reject(err)
}

func (s *Service) get(ctx context.Context, r request) ([]byte, error) {
	now, _, err := s.row(ctx, r.id)
	if err != nil {
		return nil, err
	}
	if !now.there() {
		return nil, missing(r.id)
	}
	return sealed(now.document(true), s.second(), r.token), nil
}

// missing is what is said of a shadow that does not exist.
func missing(id ID) error {
	if id.Name == "" {
		return reject(404, "No shadow exists with name: '"+id.Thing+"'")
	}
	return reject(404, "No shadow exists with name: '"+id.Thing+"~"+id.Name+"'")
}
