// Package firehoseapi is the Amazon Data Firehose API: one file per operation.
// It knows Firehose's words, limits and texts, and puts a destination's
// configuration into the words of the gateway's own deliveries; it does not
// know how deliveries are kept or run, nor how requests travel (package
// awsapi).
package firehoseapi

import (
	"context"
	"errors"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// Delivery is one delivery as this room sees it.
type Delivery struct {
	Name     string
	Stream   shardlog.StreamName // what it delivers
	Direct   bool                // its stream is its own: made and deleted with it
	Fixed    bool                // it stands in the configuration file and cannot be changed here
	Deleting bool
	Created  time.Time
	Updated  time.Time // zero: never changed
	Document []byte    // JSON of a delivery in the words of the configuration file
	Note     []byte    // this room's own, kept as it is; nil when the delivery was not made here
	Version  uint64    // of what Describe found, for Update
}

// Deliveries are the deliveries of the site. Documents come over the network:
// an implementer must not let a reference to a secret reach beyond what such
// callers may name.
//
// Kinds: Invalid (also: Fixed, or the document cannot be opened), NotFound,
// InUse, Conflict (Update), Unavailable, Unknown, Full.
type Deliveries interface {
	Create(ctx context.Context, d Delivery) error
	Describe(ctx context.Context, name string) (Delivery, error)
	Update(ctx context.Context, d Delivery) error // if its Version is still the present one
	Delete(ctx context.Context, name string) error
	List(ctx context.Context) ([]Delivery, error) // by name
}

// Config is what an API needs.
type Config struct {
	Writer     shardlog.Writer
	Catalog    shardlog.Catalog
	Deliveries Deliveries
	Now        func() time.Time // nil: time.Now
}

// API is the Firehose API. It is safe for concurrent use.
type API struct {
	writer     shardlog.Writer
	catalog    shardlog.Catalog
	deliveries Deliveries
	now        func() time.Time
	traffic    traffic
}

// New makes an API.
func New(c Config) (*API, error) {
	if c.Writer == nil || c.Catalog == nil || c.Deliveries == nil {
		return nil, errors.New("firehose api: writer, catalog and deliveries are all needed")
	}
	a := &API{writer: c.Writer, catalog: c.Catalog, deliveries: c.Deliveries, now: c.Now}
	if a.now == nil {
		a.now = time.Now
	}
	return a, nil
}

// Service is the API as a door serves it.
func (a *API) Service() awsapi.Service {
	return awsapi.Service{
		Target:  "Firehose_20150804",
		Signing: "firehose",
		Needs:   a.needs,
		Explain: explain,
		Ops: map[string]awsapi.Operation{
			"CreateDeliveryStream":          {Input: createInput(), Do: a.create},
			"DeleteDeliveryStream":          {Input: deleteInput(), Do: a.delete},
			"DescribeDeliveryStream":        {Input: describeInput(), Do: a.describe},
			"ListDeliveryStreams":           {Input: listInput(), Do: a.list},
			"ListTagsForDeliveryStream":     {Input: listTagsInput(), Do: a.listTags},
			"PutRecord":                     {Input: putRecordInput(), Do: a.putRecord, Data: true},
			"PutRecordBatch":                {Input: putBatchInput(), Do: a.putBatch, Data: true},
			"StartDeliveryStreamEncryption": {Input: startEncryptionInput(), Do: a.startEncryption},
			"StopDeliveryStreamEncryption":  {Input: stopEncryptionInput(), Do: a.stopEncryption},
			"TagDeliveryStream":             {Input: tagInput(), Do: a.tag},
			"UntagDeliveryStream":           {Input: untagInput(), Do: a.untag},
			"UpdateDestination":             {Input: updateInput(), Do: a.update},
		},
	}
}
