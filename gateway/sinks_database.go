package gateway

import (
	"fmt"
	"strings"

	"headgate/firehose"
	"headgate/firehose/sink/mongodb"
	"headgate/firehose/sink/redshift"
)

// RedshiftConfig is a table of Redshift, with the bucket through which it is
// loaded.
type RedshiftConfig struct {
	Address   string         `yaml:"address"` // host:port
	Database  string         `yaml:"database"`
	Table     string         `yaml:"table"`
	Columns   string         `yaml:"columns"` // with commas; empty: those that the records name
	Options   string         `yaml:"copy_options"`
	Role      string         `yaml:"role"` // of COPY; empty: the stage's keys
	Username  string         `yaml:"username"`
	Password  *Secret        `yaml:"password"`
	Security  string         `yaml:"security"` // verify-full, verify-ca, require, disable
	Ledger    string         `yaml:"ledger"`   // the table of what was loaded; empty: headgate_batches
	Stage     *S3Config      `yaml:"stage"`
	DataAPI   *DataAPIConfig `yaml:"data_api"` // by HTTPS, instead of address
	NetConfig `yaml:",inline"`
}

func (c *RedshiftConfig) check() error {
	switch {
	case c.Address == "" && c.DataAPI == nil || c.Database == "" || c.Table == "":
		return Fault{"address", "name address (or data_api), database and table"}
	case c.Stage == nil:
		return Fault{"stage", "name the bucket through which the table is loaded"}
	}
	if err := c.NetConfig.check(); err != nil {
		return err
	}
	if c.DataAPI != nil {
		if err := c.DataAPI.check(); err != nil {
			return err
		}
	}
	return c.Stage.check()
}

func (c *RedshiftConfig) secrets() []*Secret {
	all := append(append(c.NetConfig.secrets(), c.Password), c.DataAPI.secrets()...)
	if c.Stage != nil {
		all = append(all, c.Stage.secrets()...)
	}
	return all
}

func (c *RedshiftConfig) open(w *way) (firehose.Sink, error) {
	password, secure, dial, err := w.login(c.Password, c.NetConfig)
	if err != nil {
		return nil, err
	}
	r := redshift.Config{
		URL: "s3://" + c.Stage.Bucket + "/", Host: c.Address, Database: c.Database, User: c.Username, Password: password,
		Security: redshift.Security(c.Security), TLS: secure, Table: c.Table, Role: c.Role, Options: c.Options, Ledger: c.Ledger, Region: or(c.Stage.Region, w.config.AWS.Region),
		Dial: dial,
	}
	for name := range strings.SplitSeq(c.Columns, ",") {
		if name = strings.TrimSpace(name); name != "" {
			r.Columns = append(r.Columns, name)
		}
	}
	if c.DataAPI != nil {
		if r.Data, err = c.DataAPI.open(w); err != nil {
			return nil, fmt.Errorf("data_api: %w", err)
		}
	}
	if c.Role == "" {
		if r.AccessKey, r.SecretKey, err = c.Stage.keys(w.config); err != nil {
			return nil, fmt.Errorf("stage: %w", err)
		}
	}
	if r.Stage, err = c.Stage.open(w); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	return redshift.Open(r)
}

// MongoDBConfig is a collection of MongoDB.
type MongoDBConfig struct {
	Hosts      []string `yaml:"hosts"` // host:port
	ReplicaSet string   `yaml:"replica_set"`
	Direct     bool     `yaml:"direct"` // one host alone, whatever it says of others
	Database   string   `yaml:"database"`
	Collection string   `yaml:"collection"`
	Username   string   `yaml:"username"`
	Password   *Secret  `yaml:"password"`
	AuthSource string   `yaml:"auth_source"`
	Mechanism  string   `yaml:"mechanism"`
	Key        string   `yaml:"key"`  // the field that names a document; empty: each record is one
	Wrap       string   `yaml:"wrap"` // the field for what is no JSON object; empty: that is refused
	NetConfig  `yaml:",inline"`
}

func (c *MongoDBConfig) check() error {
	switch {
	case len(c.Hosts) == 0:
		return Fault{"hosts", "name the servers, host:port"}
	case c.Database == "" || c.Collection == "":
		return Fault{"collection", "name database and collection"}
	}
	return c.NetConfig.check()
}

func (c *MongoDBConfig) secrets() []*Secret { return append(c.NetConfig.secrets(), c.Password) }

func (c *MongoDBConfig) open(w *way) (firehose.Sink, error) {
	password, secure, dial, err := w.login(c.Password, c.NetConfig)
	if err != nil {
		return nil, err
	}
	return mongodb.Open(mongodb.Config{
		Hosts: c.Hosts, ReplicaSet: c.ReplicaSet, Direct: c.Direct, Database: c.Database, Collection: c.Collection,
		Username: c.Username, Password: password, AuthSource: c.AuthSource, Mechanism: c.Mechanism, TLS: secure, Key: c.Key, Wrap: c.Wrap, Dial: dial,
	})
}
