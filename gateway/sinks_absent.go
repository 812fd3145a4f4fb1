package gateway

import "headgate/firehose"

// The blocks of sinks whose rooms are not part of this binary yet. They are
// read and checked, so that what the Firehose API says about them has a place;
// to open one is refused.

// HTTPConfig is a server that takes the Firehose HTTP endpoint protocol.
type HTTPConfig struct {
	URL        string            `yaml:"url"`
	Name       string            `yaml:"name"`
	AccessKey  *Secret           `yaml:"access_key"`
	Encoding   string            `yaml:"encoding"`   // gzip, none
	Attributes map[string]string `yaml:"attributes"` // X-Amz-Firehose-Common-Attributes
}

func (c *HTTPConfig) check() error {
	if c.URL == "" {
		return Fault{"url", "name the server"}
	}
	return nil
}

func (c *HTTPConfig) open(*Config) (firehose.Sink, error) { return nil, notBuilt("http") }

func (c *HTTPConfig) secrets() []*Secret { return []*Secret{c.AccessKey} }

// SplunkConfig is an HTTP event collector.
type SplunkConfig struct {
	URL        string    `yaml:"url"`
	Token      *Secret   `yaml:"token"`
	Endpoint   string    `yaml:"endpoint"`    // event, raw
	AckTimeout *Duration `yaml:"ack_timeout"` // how long an acknowledgement may take
}

func (c *SplunkConfig) check() error {
	if c.URL == "" {
		return Fault{"url", "name the collector"}
	}
	return nil
}

func (c *SplunkConfig) open(*Config) (firehose.Sink, error) { return nil, notBuilt("splunk") }

func (c *SplunkConfig) secrets() []*Secret { return []*Secret{c.Token} }

// OpenSearchConfig is an index of OpenSearch or of a server that speaks its
// protocol.
type OpenSearchConfig struct {
	URL         string  `yaml:"url"`
	Index       string  `yaml:"index"`
	Rotation    string  `yaml:"rotation"`     // none, hour, day, week, month
	DocumentIDs string  `yaml:"document_ids"` // own, none
	Username    string  `yaml:"username"`
	Password    *Secret `yaml:"password"`
}

func (c *OpenSearchConfig) check() error {
	switch {
	case c.URL == "":
		return Fault{"url", "name the server"}
	case c.Index == "":
		return Fault{"index", "name the index"}
	}
	return nil
}

func (c *OpenSearchConfig) open(*Config) (firehose.Sink, error) { return nil, notBuilt("opensearch") }

func (c *OpenSearchConfig) secrets() []*Secret { return []*Secret{c.Password} }
