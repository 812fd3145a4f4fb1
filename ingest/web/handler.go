package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"headgate/shardlog"
)

// ServeHTTP answers POST /streams/{stream}/records, POST /topics/{topic}, their
// preflights and GET /beacon.js. It finds its way by the escaped path itself:
// a ServeMux would take the empty levels out of a topic.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if path == "/beacon.js" {
		s.script.serve(w, r)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin") // who may read is said by cross
	target, err := locate(path)
	switch {
	case err != nil:
		s.refuse(w, r, nil, err)
	case r.Method == http.MethodOptions:
		s.preflight(w, r)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "OPTIONS, POST")
		s.refuse(w, r, nil, &statusError{http.StatusMethodNotAllowed, "method not allowed", "POST records here"})
	default:
		s.post(w, r, target)
	}
}

// spot is what a path names: a stream, or else a topic.
type spot struct {
	stream shardlog.StreamName
	topic  string
}

// locate reads an escaped path.
func locate(path string) (spot, error) {
	if rest, ok := strings.CutPrefix(path, "/streams/"); ok {
		if name, ok := strings.CutSuffix(rest, "/records"); ok && name != "" && !strings.Contains(name, "/") {
			name, err := url.PathUnescape(name)
			if err == nil {
				err = shardlog.StreamName(name).Check()
			}
			if err != nil {
				return spot{}, badRequest("%w", err)
			}
			return spot{stream: shardlog.StreamName(name)}, nil
		}
	}
	if rest, ok := strings.CutPrefix(path, "/topics/"); ok {
		topic, err := url.PathUnescape(rest)
		if err == nil {
			err = checkTopic(topic)
		}
		if err != nil {
			return spot{}, badRequest("%w", err)
		}
		return spot{topic: topic}, nil
	}
	return spot{}, &statusError{http.StatusNotFound, "not found", "POST /streams/{stream}/records or /topics/{topic}"}
}

// call is one POST that was let in.
type call struct {
	site   *site
	at     netip.Addr
	stream shardlog.StreamName
	key    string
	quiet  bool
	iot    bool // answer as AWS IoT does
	lines  bool
	meta   Meta
	most   int // bytes of the body as sent
}

// request is a request and the parameters of its address.
type request struct {
	*http.Request
	query url.Values
}

// either is a value of the address or else of a header.
func (r request) either(param, header string) string {
	if v := r.query.Get(param); v != "" {
		return v
	}
	return r.Header.Get(header)
}

// post takes records.
func (s *Server) post(w http.ResponseWriter, r *http.Request, to spot) {
	s.stats.requests.Add(1)
	deadline(w, time.Now().Add(s.cfg.BodyTime))
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // half of it would be a key or a format lost
		s.refuse(w, r, nil, badRequest("read the address: %w", err))
		return
	}
	in := request{r, query}
	from := s.sites.find(in.either(paramKey, headerKey))
	if from != nil {
		s.cross(w.Header(), r, from)
	}
	c, err := s.admit(in, to, from)
	if err != nil {
		s.refuse(w, r, from, err)
		return
	}
	who := household(c.at)
	if err := s.under.enter(who); err != nil {
		s.refuse(w, r, from, err)
		return
	}
	defer s.under.leave(who)
	if err := from.meter.allows(s.cfg.Now(), who, 1, max(0, int(r.ContentLength))); err != nil {
		s.refuse(w, r, from, err)
		return
	}
	mine := hoard{pool: s.memory}
	defer mine.release()
	datas, err := s.receive(w, r, c, &mine)
	if err == nil {
		err = from.meter.take(s.cfg.Now(), who, len(datas), size(datas))
	}
	if err != nil {
		s.refuse(w, r, from, err)
		return
	}
	results := s.put(r.Context(), c, datas)
	s.count(c, datas, results)
	s.answer(w, c, results)
}

// receive reads the records of a request.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, c *call, mine *hoard) ([][]byte, error) {
	body, err := s.body(w, r, c.most, mine)
	if err != nil {
		return nil, err
	}
	datas, err := s.datas(body, c.lines, mine)
	if err == nil && (len(datas) == 0 || len(body) == 0 && !c.iot) { // an empty message is one in MQTT
		err = badRequest("the body is empty")
	}
	return datas, err
}

func size(datas [][]byte) int {
	n := 0
	for _, d := range datas {
		n += len(d)
	}
	return n
}

// admit decides from the head of the request alone whether it may come in.
func (s *Server) admit(r request, to spot, from *site) (*call, error) {
	if from == nil {
		return nil, unknownKey()
	}
	if page := r.Header.Get("Origin"); page != "" && !from.allows(page) {
		return nil, forbidden("origin %s is not one of the site's", quote(page))
	}
	c := &call{site: from, at: s.address(r.Request), stream: to.stream, most: s.cfg.MaxBody}
	if from == s.sites.anonymous {
		c.most = min(c.most, s.cfg.MaxAnonymousBody)
	}
	c.quiet = r.query.Has(paramQuiet) && r.query.Get(paramQuiet) != "0"
	c.key = r.either(paramPartition, headerPartition)
	if err := checkKey("the partition key", c.key); err != nil {
		return nil, err
	}
	content := r.Header.Get("Content-Type")
	c.meta = Meta{
		ContentType: cut(content, maxType), Site: from.name, Address: c.at, Origin: cut(r.Header.Get("Origin"), maxOrigin),
		Agent: cut(r.UserAgent(), maxAgent), Referrer: cut(r.Referer(), maxReferrer),
	}
	var err error
	if to.topic != "" {
		err = s.publish(r, c, to.topic)
	} else {
		c.lines, err = lines(r, content)
		c.meta.Line = c.lines
	}
	if err != nil {
		return nil, err
	}
	if !from.writes(c.stream) {
		return nil, forbidden("the site's key is not for stream %s", c.stream)
	}
	if c.key == "" {
		c.key = s.anyKey()
	}
	return c, nil
}
