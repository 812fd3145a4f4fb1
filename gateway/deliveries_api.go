package gateway

import (
	"context"
	"slices"
	"strings"

	"headgate/gateway/firehoseapi"
	"headgate/shardlog"
)

// firehoseDeliveries is the deliveries as the Firehose API wants them.
type firehoseDeliveries struct{ m *deliveries }

var _ firehoseapi.Deliveries = firehoseDeliveries{}

// Create stores a new delivery.
func (f firehoseDeliveries) Create(ctx context.Context, d firehoseapi.Delivery) error {
	_, err := f.m.create(ctx, stored(d))
	return err
}

// Describe finds a delivery, of whatever origin.
func (f firehoseDeliveries) Describe(ctx context.Context, name string) (firehoseapi.Delivery, error) {
	for i := range f.m.config.Deliveries {
		if c := &f.m.config.Deliveries[i]; c.Name == name {
			return fixedDelivery(c), nil
		}
	}
	s, err := f.m.get(ctx, name)
	if err != nil {
		return firehoseapi.Delivery{}, err
	}
	return f.delivery(name, s), nil
}

// Update replaces a delivery that Describe found.
func (f firehoseDeliveries) Update(ctx context.Context, d firehoseapi.Delivery) error {
	if d.Fixed {
		return fixedFault("update delivery", d.Name)
	}
	s := stored(d)
	s.Deleting, s.version = d.Deleting, shardlog.Version(d.Version)
	return f.m.update(ctx, d.Name, s)
}

// Delete has the leader do away with a delivery.
func (f firehoseDeliveries) Delete(ctx context.Context, name string) error {
	return f.m.remove(ctx, name)
}

// List is all deliveries by name.
func (f firehoseDeliveries) List(ctx context.Context) ([]firehoseapi.Delivery, error) {
	var all []firehoseapi.Delivery
	for i := range f.m.config.Deliveries {
		all = append(all, fixedDelivery(&f.m.config.Deliveries[i]))
	}
	stored, err := f.m.list(ctx)
	for name, s := range stored {
		if !f.m.isFixed(name) {
			all = append(all, f.delivery(name, s))
		}
	}
	slices.SortFunc(all, func(a, b firehoseapi.Delivery) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

func fixedDelivery(c *DeliveryConfig) firehoseapi.Delivery {
	return firehoseapi.Delivery{Name: c.Name, Stream: c.Stream, Fixed: true}
}

func (f firehoseDeliveries) delivery(name string, s storedDelivery) firehoseapi.Delivery {
	d := firehoseapi.Delivery{Name: name, Stream: s.Own, Direct: s.Own != "", Deleting: s.Deleting, Created: s.Created, Updated: s.Updated,
		Document: []byte(s.Document), Note: s.Note, Version: uint64(s.version)}
	if s.Own == "" {
		if c, err := f.m.parse(name, s); err == nil {
			d.Stream = c.Stream
		}
	}
	return d
}

func stored(d firehoseapi.Delivery) storedDelivery {
	s := storedDelivery{Document: string(d.Document), Created: d.Created, Updated: d.Updated, Note: d.Note}
	if d.Direct {
		s.Own = d.Stream
	}
	return s
}
