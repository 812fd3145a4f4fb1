package gateway

import (
	"strings"

	"headgate/firehose"
	"headgate/firehose/sink/datadog"
	"headgate/firehose/sink/httpendpoint"
	"headgate/firehose/sink/newrelic"
	"headgate/firehose/sink/opensearch"
	"headgate/firehose/sink/otlp"
	"headgate/firehose/sink/splunk"
)

// HTTPConfig is a server that takes the Firehose HTTP endpoint protocol.
type HTTPConfig struct {
	URL        string            `yaml:"url"`
	Name       string            `yaml:"name"`
	AccessKey  *Secret           `yaml:"access_key"`
	Encoding   string            `yaml:"encoding"`   // gzip, none
	Attributes map[string]string `yaml:"attributes"` // X-Amz-Firehose-Common-Attributes
	NetConfig  `yaml:",inline"`
}

func (c *HTTPConfig) check() error {
	if c.URL == "" {
		return Fault{"url", "name the server"}
	}
	if c.Encoding != "" && c.Encoding != "gzip" && c.Encoding != "none" {
		return Fault{"encoding", "write gzip or none"}
	}
	return c.NetConfig.check()
}

func (c *HTTPConfig) open(w *way) (firehose.Sink, error) {
	key, t, err := w.keyed("access_key", c.AccessKey, c.NetConfig)
	if err != nil {
		return nil, err
	}
	return httpendpoint.Open(httpendpoint.Config{URL: c.URL, Name: c.Name, Delivery: w.name, AccessKey: key, Gzip: c.Encoding == "gzip", Attributes: c.Attributes, Transport: t})
}

func (c *HTTPConfig) secrets() []*Secret { return append(c.NetConfig.secrets(), c.AccessKey) }

// SplunkConfig is an HTTP event collector.
type SplunkConfig struct {
	URL        string    `yaml:"url"`
	Token      *Secret   `yaml:"token"`
	Endpoint   string    `yaml:"endpoint"`    // event, raw
	AckTimeout *Duration `yaml:"ack_timeout"` // how long an acknowledgement may take
	Host       string    `yaml:"host"`
	Source     string    `yaml:"source"`
	SourceType string    `yaml:"sourcetype"`
	Index      string    `yaml:"index"`
	NetConfig  `yaml:",inline"`
}

func (c *SplunkConfig) check() error {
	switch {
	case c.URL == "":
		return Fault{"url", "name the collector"}
	case c.Token == nil:
		return Fault{"token", "it must say where the token lies: file, env or credential"}
	case c.Endpoint != "" && c.Endpoint != "event" && c.Endpoint != "raw":
		return Fault{"endpoint", "write event or raw"}
	}
	return c.NetConfig.check()
}

func (c *SplunkConfig) open(w *way) (firehose.Sink, error) {
	token, t, err := w.keyed("token", c.Token, c.NetConfig)
	if err != nil {
		return nil, err
	}
	return splunk.Open(splunk.Config{URL: c.URL, Token: token, Raw: c.Endpoint == "raw", AckTimeout: duration(c.AckTimeout),
		Host: c.Host, Source: c.Source, SourceType: c.SourceType, Index: c.Index, Transport: t})
}

func (c *SplunkConfig) secrets() []*Secret { return append(c.NetConfig.secrets(), c.Token) }

// OpenSearchConfig is an index of OpenSearch or of a server that speaks its
// protocol.
type OpenSearchConfig struct {
	URL         string  `yaml:"url"`
	Index       string  `yaml:"index"`
	Rotation    string  `yaml:"rotation"`     // none, hour, day, week, month
	DocumentIDs string  `yaml:"document_ids"` // own, none
	Pipeline    string  `yaml:"pipeline"`
	Username    string  `yaml:"username"`
	Password    *Secret `yaml:"password"`
	NetConfig   `yaml:",inline"`
}

func (c *OpenSearchConfig) check() error {
	switch {
	case c.URL == "":
		return Fault{"url", "name the server"}
	case c.Index == "":
		return Fault{"index", "name the index"}
	}
	return c.NetConfig.check()
}

func (c *OpenSearchConfig) open(w *way) (firehose.Sink, error) {
	password, t, err := w.keyed("password", c.Password, c.NetConfig)
	if err != nil {
		return nil, err
	}
	return opensearch.Open(opensearch.Config{URL: c.URL, Index: c.Index, Rotation: c.Rotation, IDs: c.DocumentIDs, Pipeline: c.Pipeline, Username: c.Username, Password: password, Transport: t})
}

func (c *OpenSearchConfig) secrets() []*Secret { return append(c.NetConfig.secrets(), c.Password) }

// DatadogConfig is Datadog's log intake: a key is all it needs.
type DatadogConfig struct {
	Key       *Secret  `yaml:"key"`
	Site      string   `yaml:"site"` // datadoghq.com unless given
	URL       string   `yaml:"url"`  // instead of site
	Source    string   `yaml:"source"`
	Service   string   `yaml:"service"`
	Host      string   `yaml:"host"`
	Tags      []string `yaml:"tags"`
	Stale     string   `yaml:"stale"` // what becomes of records older than 18 h: restamp, send, refuse
	NetConfig `yaml:",inline"`
}

func (c *DatadogConfig) check() error {
	if c.Key == nil {
		return Fault{"key", "it must say where the API key lies: file, env or credential"}
	}
	return c.NetConfig.check()
}

func (c *DatadogConfig) open(w *way) (firehose.Sink, error) {
	key, t, err := w.keyed("key", c.Key, c.NetConfig)
	if err != nil {
		return nil, err
	}
	return datadog.Open(datadog.Config{Site: c.Site, URL: c.URL, Key: strings.TrimSpace(key), Source: c.Source, Service: c.Service, Host: c.Host, Tags: c.Tags, Stale: datadog.Stale(c.Stale), Transport: t})
}

func (c *DatadogConfig) secrets() []*Secret { return append(c.NetConfig.secrets(), c.Key) }

// NewRelicConfig is New Relic's Log API: a key is all it needs.
type NewRelicConfig struct {
	Key        *Secret           `yaml:"key"`
	Region     string            `yaml:"region"` // us, eu
	URL        string            `yaml:"url"`    // instead of region
	Attributes map[string]string `yaml:"attributes"`
	Stale      string            `yaml:"stale"` // what becomes of records older than 48 h: restamp, send, refuse
	NetConfig  `yaml:",inline"`
}

func (c *NewRelicConfig) check() error {
	if c.Key == nil {
		return Fault{"key", "it must say where the license key lies: file, env or credential"}
	}
	return c.NetConfig.check()
}

func (c *NewRelicConfig) open(w *way) (firehose.Sink, error) {
	key, t, err := w.keyed("key", c.Key, c.NetConfig)
	if err != nil {
		return nil, err
	}
	return newrelic.Open(newrelic.Config{Region: c.Region, URL: c.URL, Key: key, Attributes: c.Attributes, Stale: newrelic.Stale(c.Stale), Transport: t})
}

func (c *NewRelicConfig) secrets() []*Secret { return append(c.NetConfig.secrets(), c.Key) }

// OTLPConfig is an endpoint of OTLP/HTTP for logs.
type OTLPConfig struct {
	URL       string             `yaml:"url"`     // without /v1/logs
	Headers   map[string]*Secret `yaml:"headers"` // of every request
	Resource  map[string]string  `yaml:"resource"`
	NetConfig `yaml:",inline"`
}

func (c *OTLPConfig) check() error {
	if c.URL == "" {
		return Fault{"url", "name the endpoint"}
	}
	return c.NetConfig.check()
}

func (c *OTLPConfig) open(w *way) (firehose.Sink, error) {
	header := map[string]string{}
	for name, secret := range c.Headers {
		var err error
		if header[name], err = read("headers."+name, secret); err != nil {
			return nil, err
		}
	}
	t, err := w.transport(c.NetConfig)
	if err != nil {
		return nil, err
	}
	return otlp.Open(otlp.Config{URL: c.URL, Header: header, Resource: c.Resource, Transport: t})
}

func (c *OTLPConfig) secrets() []*Secret {
	all := c.NetConfig.secrets()
	for _, s := range c.Headers {
		all = append(all, s)
	}
	return all
}
