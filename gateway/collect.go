package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strings"

	"headgate/gateway/awsapi"
	"headgate/ingest/intake"
	"headgate/ingest/line"
	"headgate/ingest/otlp"
	"headgate/ingest/syslog"
	"headgate/ingest/web"
	"headgate/shardlog"
)

// SiteConfig is a web site, or another source of records by HTTP, with a key
// that pages may show: it lets nobody read.
type SiteConfig struct {
	Name    string                `yaml:"name"`
	Key     Secret                `yaml:"key"`
	Origins []string              `yaml:"origins"` // of pages that may send: https://shop.example, https://*.shop.example, "*"
	Streams []shardlog.StreamName `yaml:"streams"` // that it may write; "*": each that exists
	Topics  []string              `yaml:"topics"`  // filters of topics that it may publish to
}

// collection is what comes over HTTP from pages, OpenTelemetry's SDKs and
// Telegraf, and over syslog. Its parts are nil when their doors are off.
type collection struct {
	web    *web.Server
	otlp   *otlp.Server
	line   *line.Server
	syslog *syslog.Server
}

// CollectStatus is what those doors took.
type CollectStatus struct {
	Web    *web.Stats    `json:"web,omitempty"`
	OTLP   *otlp.Stats   `json:"otlp,omitempty"`
	Line   *line.Stats   `json:"line,omitempty"`
	Syslog *syslog.Stats `json:"syslog,omitempty"`
}

func (g *Gateway) wireCollection() (err error) {
	writer := g.writer
	if g.site != nil { // what comes is kept in the spool when there is no quorum
		writer = g.site.carrier.Writer(true)
	}
	if err := g.wireSyslog(writer); err != nil {
		return err
	}
	if g.config.Collect == off {
		return nil
	}
	allow, err := g.collectors()
	if err != nil {
		return err
	}
	sites := web.Config{Writer: writer, Control: g.control, Routes: g.routes, Log: g.log, Now: g.now}
	if sites.Sites, err = g.config.sites(); err != nil {
		return err
	}
	if g.config.Open {
		sites.Anonymous = &web.Site{Name: "open", Origins: []string{"*"}, Streams: []shardlog.StreamName{"*"}, Topics: []string{"#"}}
	}
	if g.collection.web, err = web.New(sites); err != nil {
		return err
	}
	gate := intake.Config{Allow: allow, Now: g.now}
	if g.collection.otlp, err = otlp.New(otlp.Config{Writer: writer, Control: g.control, Gate: gate, Log: g.log}); err != nil {
		return err
	}
	g.collection.line, err = line.New(line.Config{Writer: writer, Control: g.control, Gate: gate, Log: g.log})
	return err
}

// sites are the configured ones with their keys.
func (c *Config) sites() (all []web.Site, err error) {
	for i, s := range c.Sites {
		key, err := s.Key.Read()
		if err != nil {
			return nil, Fault{fmt.Sprintf("sites[%d].key", i), err.Error()}
		}
		all = append(all, web.Site{Name: s.Name, Key: key, Origins: s.Origins, Streams: s.Streams, Topics: s.Topics})
	}
	return all, nil
}

// collectors says who may send telemetry: whoever has the token, in any of the
// forms in which clients bring it. Without a token whoever is on this machine.
func (g *Gateway) collectors() (func(*http.Request) bool, error) {
	if g.config.Open {
		return nil, nil
	}
	if g.config.CollectToken == nil {
		return func(r *http.Request) bool {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			ip := net.ParseIP(host)
			return err == nil && ip != nil && ip.IsLoopback() && r.Header.Get("Origin") == "" // a page of any site could send as well
		}, nil
	}
	token, err := g.config.CollectToken.Read()
	if err != nil {
		return nil, Fault{"collect_token", err.Error()}
	}
	if len(token) < minToken {
		return nil, Fault{"collect_token", fmt.Sprintf("%d characters can be guessed: write at least %d", len(token), minToken)}
	}
	want := sha256.Sum256([]byte(token))
	return func(r *http.Request) bool {
		got := sha256.Sum256([]byte(bearer(r)))
		return subtle.ConstantTimeCompare(got[:], want[:]) == 1
	}, nil
}

// minToken is the least that a token must have.
const minToken = 16

// bearer is the token that a request brings: as OpenTelemetry's SDKs, as
// InfluxDB's clients of either version do.
func bearer(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Token") {
		return strings.TrimSpace(token)
	}
	return r.URL.Query().Get("p")
}

// handler serves what comes over HTTP by its path.
func (c *collection) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.EscapedPath(); { // a ServeMux would redirect topics with empty levels
		case strings.HasPrefix(path, "/streams/"), strings.HasPrefix(path, "/topics/"), path == "/beacon.js":
			c.web.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/v1/"):
			c.otlp.ServeHTTP(w, r)
		default:
			c.line.ServeHTTP(w, r)
		}
	})
}

func (g *Gateway) collectServer() *http.Server { return awsapi.NewServer(g.collection.handler()) }

// status is what came, nil when all of it is off.
func (c *collection) status() *CollectStatus {
	var s CollectStatus
	if c.syslog != nil {
		all := c.syslog.Stats()
		s.Syslog = &all
	}
	if c.web != nil {
		pages, telemetry, lines := c.web.Stats(), c.otlp.Stats(), c.line.Stats()
		s.Web, s.OTLP, s.Line = &pages, &telemetry, &lines
	}
	if s == (CollectStatus{}) {
		return nil
	}
	return &s
}

// collected sends what came, by door.
func (c collector) collected(m sample, s *CollectStatus) {
	if s == nil {
		return
	}
	stored := func(door string, records, failed int64) {
		m.counter("headgate_collected_records_total", "records stored that came by HTTP or syslog", float64(records), "door", door)
		m.counter("headgate_collected_failed_total", "records or requests that were not stored", float64(failed), "door", door)
	}
	if w := s.Web; w != nil {
		stored("web", w.Records, w.Failed)
		stored("otlp", s.OTLP.Records, s.OTLP.Failed+s.OTLP.Refused)
		stored("line", s.Line.Records, s.Line.Failed+s.Line.BadLines)
		for code, n := range w.Refused {
			m.counter("headgate_web_refused_total", "requests not wholly stored", float64(n), "code", code)
		}
		m.counter("headgate_collected_denied_total", "requests without a right token", float64(s.OTLP.Denied+s.Line.Denied))
	}
	if l := s.Syslog; l != nil {
		dropped := uint64(0)
		for why, n := range l.Dropped {
			m.counter("headgate_syslog_dropped_total", "messages that were not stored", float64(n), "reason", why)
			dropped += n
		}
		stored("syslog", int64(l.Taken), int64(dropped))
	}
}
