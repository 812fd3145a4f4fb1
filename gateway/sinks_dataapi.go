package gateway

import "headgate/firehose/sink/redshift"

// DataAPIConfig is Redshift's Data API, for boxes that reach no port 5439.
type DataAPIConfig struct {
	Cluster   string  `yaml:"cluster"` // or
	Workgroup string  `yaml:"workgroup"`
	SecretARN string  `yaml:"secret_arn"` // of the database's login at AWS; empty: by the caller's identity
	Region    string  `yaml:"region"`
	Endpoint  string  `yaml:"endpoint"`
	AccessKey *Secret `yaml:"access_key"`
	SecretKey *Secret `yaml:"secret_key"`
	NetConfig `yaml:",inline"`
}

func (c *DataAPIConfig) check() error {
	switch {
	case (c.Cluster == "") == (c.Workgroup == ""):
		return Fault{"data_api", "name a cluster or a workgroup"}
	case c.AccessKey == nil || c.SecretKey == nil:
		return Fault{"data_api", "access_key and secret_key must say where they lie: file, env or credential"}
	}
	return c.NetConfig.check()
}

func (c *DataAPIConfig) secrets() []*Secret {
	if c == nil {
		return nil
	}
	return append(c.NetConfig.secrets(), c.AccessKey, c.SecretKey)
}

func (c *DataAPIConfig) open(w *way) (*redshift.DataAPI, error) {
	id, secret, client, err := w.signed(c.AccessKey, c.SecretKey, c.NetConfig)
	if err != nil {
		return nil, err
	}
	return &redshift.DataAPI{Cluster: c.Cluster, Workgroup: c.Workgroup, SecretARN: c.SecretARN, Region: or(c.Region, w.config.AWS.Region), Endpoint: c.Endpoint, AccessKey: id, SecretKey: secret, Client: client}, nil
}
