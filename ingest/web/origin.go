package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// origin is an entry of a site's list: an origin in lower case as browsers
// write it, or a suffix that a host must have.
type origin struct {
	scheme string // with "://"; empty: text is all of it
	text   string // an origin, "null", "*", or ".shop.example" with its port
}

// parseOrigin reads one entry of Site.Origins.
func parseOrigin(text string) (origin, error) {
	if text == each || text == "null" {
		return origin{text: text}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Hostname() == "" || u.Path != "" || u.User != nil ||
		strings.ContainsAny(text, "?#") {
		return origin{}, fmt.Errorf("origin %q: want scheme://host or scheme://host:port", text)
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "http" && u.Port() == "80" || u.Scheme == "https" && u.Port() == "443" {
		host = host[:strings.LastIndexByte(host, ':')] // browsers leave it out
	}
	rest, below := strings.CutPrefix(host, "*.")
	if strings.Contains(rest, "*") {
		return origin{}, fmt.Errorf("origin %q: * stands for all that lies before the first dot", text)
	}
	if below {
		return origin{scheme: u.Scheme + "://", text: "." + rest}, nil
	}
	return origin{text: u.Scheme + "://" + host}, nil
}

// allows reports whether the origin, as a browser sent it, is one of the entry.
func (o origin) allows(sent string) bool {
	if o.scheme == "" {
		return o.text == sent || o.text == each
	}
	host, ok := strings.CutPrefix(sent, o.scheme)
	return ok && len(host) > len(o.text) && strings.HasSuffix(host, o.text) && !strings.ContainsAny(host, "/@")
}

// allows reports whether a page of that origin may use the site's key.
func (s *site) allows(sent string) bool {
	for _, o := range s.origins {
		if o.allows(sent) {
			return true
		}
	}
	return false
}

// allows reports whether any site has such pages.
func (s *sites) allows(sent string) bool {
	for _, one := range s.list() {
		if one.allows(sent) {
			return true
		}
	}
	return false
}

// Headers of requests.
const (
	headerKey       = "X-Site-Key"
	headerPartition = "X-Partition-Key"
	headerClient    = "X-Client-Id"
)

// cross lets pages read answers (Fetch standard, 3.3 HTTP extensions): those
// of the origins that the site lists. While no site is known (a preflight
// has no headers) any site's will do; the request itself is checked again.
func (s *Server) cross(h http.Header, r *http.Request, from *site) {
	h.Add("Vary", "Origin")
	sent := r.Header.Get("Origin")
	if sent == "" || from != nil && !from.allows(sent) || from == nil && !s.sites.allows(sent) {
		return
	}
	h.Set("Access-Control-Allow-Origin", sent)
	// A beacon is sent with credentials, whether there are any or not; this
	// door never looks at a cookie.
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "Retry-After")
}

// preflight answers the question that a browser asks ahead of a request that
// a form could not have made.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	h.Set("Allow", "OPTIONS, POST")
	var from *site
	if key := r.URL.Query().Get(paramKey); key != "" {
		if from = s.sites.find(key); from == nil {
			s.refuse(w, r, nil, unknownKey())
			return
		}
	}
	s.cross(h, r, from)
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", "POST")
		h.Set("Access-Control-Allow-Headers", strings.Join([]string{"Content-Type", "Content-Encoding", headerKey, headerPartition, headerClient}, ", "))
		h.Set("Access-Control-Max-Age", "7200")
		if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
			h.Set("Access-Control-Allow-Private-Network", "true") // a gateway at home, a page from outside
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
