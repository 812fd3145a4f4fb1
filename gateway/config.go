package gateway

import (
	"time"

	"headgate/shardlog"
)

// Config is all that a gateway can be told. The zero value is not useful:
// begin with Defaults.
type Config struct {
	Data    string `yaml:"data"`    // the one folder that is written to
	API     string `yaml:"api"`     // address of the AWS APIs, "off" for none
	APITLS  string `yaml:"api_tls"` // address of the AWS APIs over TLS, "off" for none
	MQTT    string `yaml:"mqtt"`    // address of the MQTT broker, "off" for none
	MQTTS   string `yaml:"mqtts"`   // address of the MQTT broker over TLS, for devices with an identity; "off" for none
	Console string `yaml:"console"` // address of health, readiness, metrics and cameras, "off" for none
	HTTPS   string `yaml:"https"`   // address of the console over TLS, "off" for none
	Media   string `yaml:"media"`   // address of WebRTC's media, UDP and TCP, "off" for none

	Collect      string       `yaml:"collect"`       // address of records by HTTP: pages, OTLP, Influx line protocol; "off" for none
	CollectToken *Secret      `yaml:"collect_token"` // what OTLP and line protocol must bring; none: they are taken from this machine alone
	Sites        []SiteConfig `yaml:"sites"`         // who may send by HTTP with a key of their own: pages, mostly
	Syslog       string       `yaml:"syslog"`        // address of syslog, UDP and TCP, from this machine; "off" for none
	SyslogTLS    string       `yaml:"syslog_tls"`    // address of syslog over TLS, from this machine and from devices with a certificate; "off" for none

	Devices DevicesConfig `yaml:"devices"` // which devices may connect, and what they may do

	MediaHosts []string          `yaml:"media_hosts"` // further addresses under which browsers reach media: behind NAT
	TLS        CertificateConfig `yaml:"tls"`         // the certificate of https and api_tls; none: one of the gateway's own

	Peer        string      `yaml:"peer"`         // address for the other gateways of the site, "off" for none; a gateway that has joined one remembers its own
	PeerAddress string      `yaml:"peer_address"` // where the others find it, if not at peer itself
	Join        string      `yaml:"-"`            // code to join a site with, once
	Replace     Duration    `yaml:"replace"`      // how long a gateway that votes may be away before another takes its place
	Spool       SpoolConfig `yaml:"spool"`        // what is kept while there is no quorum

	Seal *Secret `yaml:"seal"` // what secrets of keys are sealed with on disk; the same at all gateways of a site; none: one of their own

	Open        bool    `yaml:"open"`         // development: loopback without credentials
	InsecureLAN bool    `yaml:"insecure_lan"` // plain listeners beyond loopback; status shows it
	Profile     Profile `yaml:"profile"`      // how often the disk may be synced
	Limits      Limits  `yaml:"limits"`       // the rates of Kinesis, a multiple of them, or none
	// OnDemandWindow is how long a shard of an on-demand stream must be busy
	// until it is split.
	OnDemandWindow Duration `yaml:"on_demand_window"`
	Budget         Bytes    `yaml:"budget"` // of the log on disk; zero: 80 % of the volume
	Memory         Bytes    `yaml:"memory"` // soft limit of the Go heap; zero: GOMEMLIMIT, else 160 MiB
	Log            Log      `yaml:"log"`

	Streams    []StreamConfig   `yaml:"streams"` // made at the first start, never changed afterwards
	Routes     []RouteConfig    `yaml:"routes"`  // from MQTT topic to stream and key; the first match wins
	AutoCreate AutoCreateConfig `yaml:"auto_create"`
	Deliveries []DeliveryConfig `yaml:"deliveries"`
	Cameras    []CameraConfig   `yaml:"cameras"`   // made at the first start
	Functions  []LambdaConfig   `yaml:"functions"` // what transforms may call
	Uplink     UplinkConfig     `yaml:"uplink"`
	AWS        AWSConfig        `yaml:"aws"` // where the buckets of deliveries lie that name no keys of their own
}

// SpoolConfig bounds what a gateway keeps while it reaches no majority of its
// site.
type SpoolConfig struct {
	Grace  Duration `yaml:"grace"`   // how long the quorum may be lost before the gateway counts as isolated
	Budget Bytes    `yaml:"budget"`  // on disk
	MaxAge Duration `yaml:"max_age"` // zero: any
	Full   string   `yaml:"full"`    // refuse, drop-oldest
}

// CertificateConfig names the files of a certificate.
type CertificateConfig struct {
	Certificate string `yaml:"certificate"` // PEM, with what it is signed by
	Key         string `yaml:"key"`         // PEM
}

// Log says what the gateway writes about itself, and how.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text, json
}

// StreamConfig is one stream to make.
type StreamConfig struct {
	Name      shardlog.StreamName `yaml:"name"`
	Shards    int                 `yaml:"shards"`
	Retention Duration            `yaml:"retention"`
	Isolated  string              `yaml:"isolated"` // without a quorum: spool (the default) or refuse
}

// Defaults is the configuration of a gateway that was told nothing.
func Defaults() Config {
	return Config{
		Data:    "./headgate-data",
		API:     "127.0.0.1:4567",
		APITLS:  off,
		MQTT:    "127.0.0.1:1883",
		MQTTS:   off,
		Console: "127.0.0.1:8080",
		HTTPS:   off,
		Media:   off,
		Collect: off,
		Syslog:  off,

		SyslogTLS: off,
		Peer:      off,
		Replace:   Duration(5 * time.Minute),
		Spool:     SpoolConfig{Grace: Duration(5 * time.Second), Budget: 1 << 30, Full: spoolRefuse},
		Profile:   ProfileDefault,
		Limits:    1,

		OnDemandWindow: Duration(time.Minute),

		Log:     Log{Level: "info", Format: "text"},
		Streams: []StreamConfig{{Name: "telemetry", Shards: shardlog.DefaultShards, Retention: Duration(shardlog.DefaultRetention)}},
	}
}

// What a full spool does, and what a stream without a quorum does.
const (
	spoolRefuse = "refuse"
	spoolDrop   = "drop-oldest"
	spoolOn     = "spool"
)

// Profile says how much the disk under the log may be worn.
type Profile string

// The profiles.
const (
	ProfileDefault Profile = "default" // at most 40 syncs a second
	ProfileFlash   Profile = "flash"   // at most 4: SD cards and eMMC
	ProfileSSD     Profile = "ssd"     // whenever writers pause: disks that do not mind
)

// SyncsPerSecond is what the profile allows under load.
func (p Profile) SyncsPerSecond() int {
	switch p {
	case ProfileFlash:
		return 4
	case ProfileSSD:
		return 1000
	}
	return 40
}

// Limits is the multiple of Kinesis's rates that shards have: 1 for the same,
// 0 for none at all.
type Limits float64

// Bytes is a number of bytes, written as 64MB, 1.5 GiB or 4096.
type Bytes int64

// Duration is a span of time, written as 90s, 24h or 7d.
type Duration time.Duration
