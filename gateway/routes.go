package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"headgate/ingest"
	"headgate/shardlog"
)

// RouteConfig sends the topics that match a filter to a stream. Stream and key
// may be templates: see ingest.Routes.Find.
type RouteConfig struct {
	Preset string              `yaml:"preset"` // chirpstack, sparkplug: a topic, a key and decode that the others may change
	Topic  string              `yaml:"topic"`
	Stream shardlog.StreamName `yaml:"stream"` // "site-{topic.2}": within auto_create
	Key    string              `yaml:"key"`    // "{clientid}", "{topic.2}", "{json.device.id|default:none}"
	Shards int                 `yaml:"shards"` // of the stream, if it has to be made
	Decode ingest.Decode       `yaml:"decode"` // json, cbor or sparkplug: payloads that are something else are counted
	Fanout *bool               `yaml:"fanout"` // false: these messages are recorded, and no subscriber is sent them
	Refuse bool                `yaml:"refuse"` // take nothing from these topics
}

// AutoCreateConfig bounds the streams that routes with templates may make.
type AutoCreateConfig struct {
	Streams []string `yaml:"streams"` // patterns of names: "site-*"
	Max     int      `yaml:"max"`     // streams of such names; zero: 64
}

// preset is what a route is told by a preset's name.
type preset struct {
	name, topic, key string
	decode           ingest.Decode
}

// presets are the conventions of others that routes know. ChirpStack 4 and 3
// publish application/ID/device/EUI/event/TYPE; a device's order is that of
// its EUI. Sparkplug B numbers the messages of an edge node, so that these
// must stay in order together.
var presets = []preset{
	{name: "chirpstack", topic: "application/+/device/+/event/+", key: "{topic.4}"},
	{name: "sparkplug", topic: "spBv1.0/+/+/+/#", key: "{sparkplug.group}/{sparkplug.edge}", decode: ingest.DecodeSparkplug},
}

func (c *Config) checkRoutes() error {
	if _, err := (ingest.Table{Create: c.AutoCreate.create()}).Compile(); err != nil {
		return Fault{"auto_create", err.Error()}
	}
	for i, r := range c.Routes {
		known := slices.ContainsFunc(presets, func(p preset) bool { return p.name == r.Preset })
		switch route := r.route(); {
		case r.Preset != "" && !known:
			return Fault{fmt.Sprintf("routes[%d].preset", i), fmt.Sprintf("%q is not known: write chirpstack or sparkplug", r.Preset)}
		case route.Filter == "":
			return Fault{fmt.Sprintf("routes[%d].topic", i), "say which topics this route is for"}
		case strings.Contains(string(route.Stream), "{") && len(c.AutoCreate.Streams) == 0:
			return Fault{fmt.Sprintf("routes[%d].stream", i), fmt.Sprintf("%s is a template: list in auto_create.streams where it may lead, for example site-*", route.Stream)}
		default:
			if _, err := (ingest.Table{Routes: []ingest.Route{route}, Create: c.AutoCreate.create()}).Compile(); err != nil {
				return Fault{fmt.Sprintf("routes[%d]", i), err.Error()}
			}
		}
	}
	if _, err := c.routes(nil); err != nil {
		return Fault{"routes", err.Error()}
	}
	return nil
}

// routes is the table that the routes make together.
func (c *Config) routes(catalog shardlog.Catalog) (*ingest.Routes, error) {
	t := ingest.Table{Create: c.AutoCreate.create(), Catalog: catalog}
	for _, r := range c.Routes {
		t.Routes = append(t.Routes, r.route())
	}
	return t.Compile()
}

func (a AutoCreateConfig) create() ingest.Create {
	return ingest.Create{Allow: a.Streams, Most: a.Max}
}

// route is the route with what its preset says.
func (r RouteConfig) route() ingest.Route {
	for _, p := range presets {
		if p.name == r.Preset {
			r.Topic, r.Key, r.Decode = cmp.Or(r.Topic, p.topic), cmp.Or(r.Key, p.key), cmp.Or(r.Decode, p.decode)
		}
	}
	return ingest.Route{
		Filter: r.Topic, Stream: r.Stream, Key: r.Key, Shards: r.Shards, Decode: r.Decode,
		RecordOnly: r.Fanout != nil && !*r.Fanout, Refuse: r.Refuse,
	}
}

// Message is a message to be tried on the routes.
type Message struct {
	Topic    string
	ClientID string
	Username string
	Payload  []byte
	QoS      byte
	User     [][2]string // user properties: name, value
}

// Routed is where the routes lead a message.
type Routed struct {
	Route   string   `json:"route"` // its topic filter
	Refused bool     `json:"refused,omitempty"`
	Stream  string   `json:"stream,omitempty"`
	Key     string   `json:"key,omitempty"`
	Fanout  bool     `json:"fanout"`          // subscribers are sent it
	Notes   []string `json:"notes,omitempty"` // what was wanting
}

// Try says where a message would go. It asks no gateway: which streams exist
// already it does not know. The configuration must be valid.
func (c *Config) Try(m Message) (Routed, error) {
	routes, err := c.routes(nil)
	if err != nil {
		return Routed{}, err
	}
	from := ingest.Source{Topic: m.Topic, ClientID: m.ClientID, Username: m.Username, Payload: m.Payload, QoS: m.QoS}
	for _, u := range m.User {
		from.User = append(from.User, ingest.Property{Name: u[0], Value: u[1]})
	}
	to, err := routes.Find(from)
	switch {
	case err != nil && shardlog.KindOf(err) == shardlog.Denied:
		return Routed{Refused: true}, nil
	case err != nil:
		return Routed{}, err
	}
	r := Routed{Route: to.Filter, Stream: string(to.Stream), Key: to.Key, Fanout: !to.RecordOnly}
	s := routes.Stats()
	for _, n := range []struct {
		holds bool
		text  string
	}{
		{s.Unkeyed > 0, "the key is the client id: a field is missing, or what the template makes is empty or too long"},
		{s.Unnamed > 0, "the stream is the default one: a field of its name is missing"},
		{s.Outside > 0, "the stream is the default one: auto_create does not allow the name that the template makes"},
		{s.Malformed[ingest.DecodeJSON] > 0, "the payload is no JSON"},
		{s.Malformed[ingest.DecodeCBOR] > 0, "the payload is no CBOR"},
		{s.Malformed[ingest.DecodeSparkplug] > 0, "the payload is no Sparkplug B, or lacks what it must have"},
	} {
		if n.holds {
			r.Notes = append(r.Notes, n.text)
		}
	}
	return r, nil
}
