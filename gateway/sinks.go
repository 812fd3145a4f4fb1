package gateway

import (
	"headgate/firehose"
	"headgate/firehose/sink/local"
	"headgate/firehose/sink/s3"
	"headgate/shardlog"
)

// LocalConfig is a folder on this machine, or a disk that is carried away.
type LocalConfig struct {
	Folder string `yaml:"folder"`
}

func (c *LocalConfig) check() error {
	if c.Folder == "" {
		return Fault{"folder", "name the folder"}
	}
	return nil
}

func (c *LocalConfig) open(*way) (firehose.Sink, error) { return local.Open(c.Folder) }

func (c *LocalConfig) secrets() []*Secret { return nil }

// AWSConfig is the account in which those buckets lie whose deliveries name
// neither keys nor an endpoint: all that were made by the Firehose API.
type AWSConfig struct {
	Region    string  `yaml:"region"`
	Endpoint  string  `yaml:"endpoint"`
	PathStyle bool    `yaml:"path_style"`
	AccessKey *Secret `yaml:"access_key"` // nil: AWS_ACCESS_KEY_ID of the environment
	SecretKey *Secret `yaml:"secret_key"` // nil: AWS_SECRET_ACCESS_KEY of the environment
}

func (c *AWSConfig) check() error {
	for _, s := range []struct {
		name   string
		secret *Secret
	}{{"access_key", c.AccessKey}, {"secret_key", c.SecretKey}} {
		if s.secret == nil {
			continue
		}
		if wrong := s.secret.check(); wrong != "" {
			return Fault{"aws." + s.name, wrong}
		}
	}
	return nil
}

// S3Config is a bucket of Amazon S3 or of a server that speaks its protocol.
// One that names neither keys nor an endpoint lies in the account of AWSConfig.
type S3Config struct {
	Bucket    string  `yaml:"bucket"`
	Region    string  `yaml:"region"`
	Endpoint  string  `yaml:"endpoint"`
	PathStyle bool    `yaml:"path_style"`
	AccessKey *Secret `yaml:"access_key"`
	SecretKey *Secret `yaml:"secret_key"`
	NetConfig `yaml:",inline"`
}

func (c *S3Config) check() error {
	switch {
	case c.Bucket == "":
		return Fault{"bucket", "name the bucket"}
	case (c.AccessKey == nil) != (c.SecretKey == nil):
		return Fault{"bucket", "access_key and secret_key go together"}
	case c.AccessKey == nil && c.Endpoint != "":
		return Fault{"endpoint", "a server of its own wants access_key and secret_key of its own"}
	}
	return c.NetConfig.check()
}

func (c *S3Config) secrets() []*Secret {
	if c == nil {
		return nil
	}
	return append(c.NetConfig.secrets(), c.AccessKey, c.SecretKey)
}

func (c *S3Config) open(w *way) (firehose.Sink, error) {
	g := w.config
	id, secret, err := c.keys(g)
	if err != nil {
		return nil, err
	}
	client, err := w.client(c.NetConfig)
	if err != nil {
		return nil, err
	}
	full := *c
	if c.AccessKey == nil {
		full.Endpoint, full.PathStyle = g.AWS.Endpoint, g.AWS.PathStyle
	}
	return s3.Open(s3.Config{Bucket: full.Bucket, Region: or(full.Region, g.AWS.Region), Endpoint: full.Endpoint, PathStyle: full.PathStyle, AccessKey: id, SecretKey: secret, Client: client})
}

// keys are the bucket's own, or the account's.
func (c *S3Config) keys(g *Config) (id, secret string, err error) {
	access, private := c.AccessKey, c.SecretKey
	if access == nil {
		access, private = orSecret(g.AWS.AccessKey, "AWS_ACCESS_KEY_ID"), orSecret(g.AWS.SecretKey, "AWS_SECRET_ACCESS_KEY")
	}
	if id, err = access.Read(); err != nil {
		return "", "", shardlog.Errorf(shardlog.Invalid, "open S3 sink", "access_key: %w (give it in the delivery, or under aws in the configuration file)", err)
	}
	if secret, err = private.Read(); err != nil {
		return "", "", shardlog.Errorf(shardlog.Invalid, "open S3 sink", "secret_key: %w", err)
	}
	return id, secret, nil
}

func orSecret(s *Secret, env string) *Secret {
	if s != nil {
		return s
	}
	return &Secret{Env: env}
}
