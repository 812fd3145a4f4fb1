package gateway

import (
	"fmt"
	"time"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/firehose/sink/local"
	"headgate/firehose/sink/s3"
)

// DeliveryStatus is one delivery.
type DeliveryStatus struct {
	Name       string        `json:"name"`
	Stream     string        `json:"stream"`
	Sink       string        `json:"sink"`
	State      string        `json:"state"` // idle, waiting, running, retrying, held
	LagRecords uint64        `json:"lag_records"`
	LagAge     time.Duration `json:"lag_age_ns"`
	Objects    uint64        `json:"objects"`
	Records    uint64        `json:"records"`
	Bytes      uint64        `json:"bytes"`   // uncompressed
	Refused    uint64        `json:"refused"` // records that went to the error output
	Missing    uint64        `json:"missing"` // records that were gone before they could be delivered
	NextTry    time.Time     `json:"next_try,omitzero"`
	LastError  string        `json:"last_error,omitempty"`
}

func (g *Gateway) deliveryStatus() []DeliveryStatus {
	var all []DeliveryStatus
	for _, d := range g.deliveries {
		s := d.Status()
		one := DeliveryStatus{
			Name: s.Name, Stream: string(s.Stream), Sink: s.Sink, State: string(s.State), LagRecords: s.LagRecords,
			Objects: s.Totals.Objects, Records: s.Totals.Records, Bytes: s.Totals.Bytes, Refused: s.Totals.Refused, Missing: s.Totals.Missing,
			NextTry: s.NextTry, LastError: s.LastError,
		}
		if !s.Oldest.IsZero() {
			one.LagAge = time.Since(s.Oldest)
		}
		all = append(all, one)
	}
	return all
}

func (g *Gateway) wireDeliveries() error {
	for _, c := range g.config.Deliveries {
		sink, err := c.sink()
		if err != nil {
			return fmt.Errorf("delivery %s: %w", c.Name, err)
		}
		d, err := delivery.New(delivery.Config{
			Spec: c.spec(), Reader: g.store, Catalog: g.store, States: g.streams, Sink: uplink{sink, &g.uplinkCut}, Encoder: encode.New, Log: g.log,
		})
		if err != nil {
			return fmt.Errorf("delivery %s: %w", c.Name, err)
		}
		g.deliveries = append(g.deliveries, d)
	}
	return nil
}

// sink opens the sink that the configuration names.
func (c DeliveryConfig) sink() (firehose.Sink, error) {
	switch {
	case c.Local != nil:
		return local.Open(c.Local.Folder)
	case c.S3 != nil:
		return c.S3.open()
	}
	return nil, fmt.Errorf("no sink is named")
}

func (c *S3Config) open() (firehose.Sink, error) {
	if c.AccessKey == nil || c.SecretKey == nil {
		return nil, fmt.Errorf("s3.access_key and s3.secret_key must say where they lie: file or env")
	}
	id, err := c.AccessKey.Read()
	if err != nil {
		return nil, fmt.Errorf("s3.access_key: %w", err)
	}
	secret, err := c.SecretKey.Read()
	if err != nil {
		return nil, fmt.Errorf("s3.secret_key: %w", err)
	}
	return s3.Open(s3.Config{Bucket: c.Bucket, Region: c.Region, Endpoint: c.Endpoint, PathStyle: c.PathStyle, AccessKey: id, SecretKey: secret})
}

// spec is the delivery as its room reads it.
func (c DeliveryConfig) spec() delivery.Spec {
	s := delivery.Spec{
		Name: c.Name, Stream: c.Stream, Compression: c.Compression, Delimiter: c.Delimiter,
		Prefix: c.Prefix, ErrorPrefix: c.ErrorPrefix, Pin: c.Pin,
	}
	if c.Size > 0 {
		s.Buffering.SizeMiB = max(1, int(c.Size>>20))
	}
	if c.Interval > 0 {
		interval := delivery.Duration(c.Interval)
		s.Buffering.Interval = &interval
	}
	if c.Start == "newest" {
		s.Start = delivery.Latest
	}
	return s
}
