package firehoseapi

import (
	"encoding/json"
	"fmt"
	"strings"
)

// document is a delivery in the words of the gateway's configuration file.
type document struct {
	Name        string  `json:"name"`
	Stream      string  `json:"stream"`
	Compression string  `json:"compression,omitempty"`
	Delimiter   string  `json:"delimiter,omitempty"`
	Prefix      string  `json:"prefix,omitempty"`
	ErrorPrefix string  `json:"error_prefix,omitempty"`
	Extension   string  `json:"extension,omitempty"`
	Size        string  `json:"size,omitempty"`
	Interval    string  `json:"interval,omitempty"`
	Start       string  `json:"start,omitempty"`
	Retry       string  `json:"retry,omitempty"`
	Transform   []step  `json:"transform,omitempty"`
	Backup      *bucket `json:"backup,omitempty"`

	S3         *bucket     `json:"s3,omitempty"`
	HTTP       *endpoint   `json:"http,omitempty"`
	Splunk     *collector  `json:"splunk,omitempty"`
	OpenSearch *index      `json:"opensearch,omitempty"`
	Redshift   *redshiftIn `json:"redshift,omitempty"`
}

// bucket lies in the account that the configuration file names under aws.
type bucket struct {
	Bucket string `json:"bucket"`
}

type endpoint struct {
	URL        string            `json:"url"`
	Name       string            `json:"name,omitempty"`
	AccessKey  *secret           `json:"access_key,omitempty"`
	Encoding   string            `json:"encoding,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

type collector struct {
	URL        string  `json:"url"`
	Token      *secret `json:"token,omitempty"`
	Endpoint   string  `json:"endpoint"`
	AckTimeout string  `json:"ack_timeout"`
}

type index struct {
	URL         string `json:"url"`
	Index       string `json:"index"`
	Rotation    string `json:"rotation"`
	DocumentIDs string `json:"document_ids"`
}

type redshiftIn struct {
	Address  string  `json:"address"`
	Database string  `json:"database"`
	Table    string  `json:"table"`
	Columns  string  `json:"columns,omitempty"`
	Options  string  `json:"copy_options,omitempty"`
	Role     string  `json:"role"`
	Username string  `json:"username,omitempty"`
	Password *secret `json:"password,omitempty"`
	Stage    *bucket `json:"stage"`
}

// secret is where a secret lies.
type secret struct {
	File       string `json:"file,omitempty"`
	Env        string `json:"env,omitempty"`
	Credential string `json:"credential,omitempty"`
}

// reference reads a member that AWS means to hold a secret. A secret itself is
// refused: it would lie on every gateway's disk.
func reference(member, value string) (*secret, error) {
	scheme, rest, ok := strings.Cut(value, ":")
	switch {
	case value == "":
		return nil, nil
	case ok && scheme == "file" && rest != "":
		return &secret{File: rest}, nil
	case ok && scheme == "env" && rest != "":
		return &secret{Env: rest}, nil
	case ok && scheme == "credential" && rest != "":
		return &secret{Credential: rest}, nil
	}
	return nil, invalid("%s holds a secret. This gateway keeps none: say where it lies on every gateway of the site, as file:NAME (a file in "+
		"the folder secrets of the data folder), env:HEADGATE_SECRET_NAME or credential:NAME (systemd).", member)
}

func (d *document) encode() ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write delivery: %w", err)
	}
	return b, nil
}
