package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"

	"headgate/ingest"
	"headgate/shardlog"
)

// Site is one who may write: a web site whose pages send clicks, or a device.
// Its key lies open in pages, so it is no secret: it lets its holder add to
// the streams listed and do nothing else.
type Site struct {
	Name string // unique, 1 to 64 bytes; kept beside each record
	Key  string // 16 to 128 bytes; empty for Config.Anonymous alone
	// Origins are the pages' origins (RFC 6454) that may send from a browser:
	// "https://shop.example", "https://*.shop.example" for those below it,
	// "null" for pages that hide theirs, "*" for any. Empty: no page may; what
	// comes without an Origin (curl, devices) always may.
	Origins []string
	// Streams may be written, by records or through a topic; "*": each one that
	// exists. The gateway's own never are.
	Streams []shardlog.StreamName
	// Topics are MQTT filters of the topics that may be published to; empty: none.
	Topics []string

	Rate        Rate // of the site; zero fields: 1000 records and 1 MiB a second
	AddressRate Rate // of each address at the site; zero fields: 200 records and 256 KiB a second
}

// Rate is what is taken in a second; as much may come at once. A batch that is
// larger is taken when nothing was for a second, and paid off afterwards.
type Rate struct {
	Records int // zero: the usual; negative: any number
	Bytes   int // of data out of gzip; zero: the usual; negative: any
}

// each is a list's word for every stream that exists, or every origin.
const each = "*"

// site is a compiled Site.
type site struct {
	name    string
	hash    [sha256.Size]byte // of the key
	origins []origin
	streams []shardlog.StreamName
	every   bool           // any stream that exists
	topics  *ingest.Routes // refuses those that are not listed
	meter   *meter
	stats   siteCounters
}

// sites are all sites. It is immutable but for the meters and counters.
type sites struct {
	all       []*site
	anonymous *site                 // nil: a key is needed
	makes     []shardlog.StreamSpec // streams that may be made
}

// compile checks and compiles all sites. Kind Invalid.
func compile(list []Site, anonymous *Site, routes *ingest.Routes) (*sites, error) {
	s := &sites{}
	names, keys := map[string]bool{}, map[string]bool{}
	for i := range list {
		one, err := compileSite(&list[i], false)
		if err != nil {
			return nil, err
		}
		if names[one.name] || keys[list[i].Key] {
			return nil, badSite(one.name, "another site has the same name or key")
		}
		names[one.name], keys[list[i].Key] = true, true
		s.all = append(s.all, one)
	}
	if anonymous != nil {
		one, err := compileSite(anonymous, true)
		if err != nil {
			return nil, err
		}
		if names[one.name] {
			return nil, badSite(one.name, "another site has the same name")
		}
		s.anonymous = one
	}
	if routes != nil {
		s.makes = append(s.makes, routes.Streams()...)
	}
	for _, one := range s.list() {
		for _, name := range one.streams {
			if _, known := s.spec(name); !known {
				s.makes = append(s.makes, shardlog.StreamSpec{Name: name})
			}
		}
	}
	return s, nil
}

func badSite(name, format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "make web door: site "+name, format, args...)
}

func compileSite(c *Site, anonymous bool) (*site, error) {
	if n := len(c.Name); n == 0 || n > 64 {
		return nil, badSite(c.Name, "a name has 1 to 64 bytes")
	}
	if n := len(c.Key); anonymous != (n == 0) || !anonymous && (n < 16 || n > maxKey) {
		return nil, badSite(c.Name, "a key has 16 to %d bytes, that of Anonymous none", maxKey)
	}
	one := &site{name: c.Name, hash: sha256.Sum256([]byte(c.Key)), meter: newMeter(c.Rate, c.AddressRate)}
	for _, text := range c.Origins {
		o, err := parseOrigin(text)
		if err != nil {
			return nil, badSite(c.Name, "%w", err)
		}
		one.origins = append(one.origins, o)
	}
	for _, name := range c.Streams {
		if name == each {
			one.every = true
			continue
		}
		if err := name.Check(); err != nil {
			return nil, badSite(c.Name, "%w", err)
		}
		if name.Own() {
			return nil, badSite(c.Name, "stream %s is the gateway's own", name)
		}
		one.streams = append(one.streams, name)
	}
	var filters []ingest.Route
	for _, f := range c.Topics {
		filters = append(filters, ingest.Route{Filter: f})
	}
	topics, err := ingest.NewRoutes(append(filters, ingest.Route{Filter: "#", Refuse: true}))
	if err != nil {
		return nil, badSite(c.Name, "%w", err)
	}
	one.topics = topics
	return one, nil
}

// list is every site, the anonymous one last.
func (s *sites) list() []*site {
	if s.anonymous == nil {
		return s.all
	}
	return append(slices.Clip(s.all), s.anonymous)
}

// spec is how a stream is to be made, and false when it is not to be.
func (s *sites) spec(name shardlog.StreamName) (shardlog.StreamSpec, bool) {
	i := slices.IndexFunc(s.makes, func(m shardlog.StreamSpec) bool { return m.Name == name })
	if i < 0 {
		return shardlog.StreamSpec{}, false
	}
	return s.makes[i], true
}

// maxKey is how long a site's key may be.
const maxKey = 128

// find is the site of a key; nil: there is none. Its time depends on the
// number of sites alone.
func (s *sites) find(key string) *site {
	if key == "" {
		return s.anonymous
	}
	if len(key) > maxKey {
		return nil
	}
	hash := sha256.Sum256([]byte(key))
	var found *site
	for _, one := range s.all {
		if subtle.ConstantTimeCompare(one.hash[:], hash[:]) == 1 {
			found = one
		}
	}
	return found
}

// writes reports whether the site may write to the stream.
func (s *site) writes(name shardlog.StreamName) bool {
	return !name.Own() && (s.every || slices.Contains(s.streams, name))
}

// publishes reports whether the site may publish to the topic.
func (s *site) publishes(topic string) bool {
	_, err := s.topics.Find(ingest.Source{Topic: topic, ClientID: "any"})
	return err == nil
}
