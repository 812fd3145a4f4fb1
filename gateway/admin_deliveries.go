package gateway

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"headgate/firehose"
)

// DeliveryDetail is one delivery with what was said about it.
type DeliveryDetail struct {
	DeliveryStatus
	Document string    `json:"document,omitempty"` // as it was written; absent of one of the file
	Created  time.Time `json:"created,omitzero"`
	Updated  time.Time `json:"updated,omitzero"`
}

// ProbeReport is what a dry run of a delivery came to: nothing was delivered.
type ProbeReport struct {
	Name   string        `json:"name"`
	Sink   string        `json:"sink"`
	OK     bool          `json:"ok"`
	Class  string        `json:"class"` // delivered, transient, throttled, auth, config
	Error  string        `json:"error,omitempty"`
	Advice string        `json:"advice,omitempty"`
	Took   time.Duration `json:"took_ns"`
}

// deliveryText is a delivery as the command line sends it.
type deliveryText struct {
	Document string `json:"document"`
}

func (a *admin) listDeliveries(_ http.ResponseWriter, r *http.Request) (any, error) {
	return append([]DeliveryStatus{}, a.deliveries.status(r.Context())...), nil
}

func (a *admin) describeDelivery(_ http.ResponseWriter, r *http.Request) (any, error) {
	return a.deliveries.detail(r.Context(), r.PathValue("delivery"))
}

func (a *admin) createDelivery(_ http.ResponseWriter, r *http.Request) (any, error) {
	var want deliveryText
	if err := receive(r, &want); err != nil {
		return nil, err
	}
	c, err := a.deliveries.create(r.Context(), storedDelivery{Document: want.Document, Created: a.now().UTC()})
	if err != nil {
		return nil, err
	}
	return a.deliveries.detail(r.Context(), c.Name)
}

func (a *admin) deleteDelivery(_ http.ResponseWriter, r *http.Request) (any, error) {
	return struct{}{}, a.deliveries.remove(r.Context(), r.PathValue("delivery"))
}

func (a *admin) testDelivery(_ http.ResponseWriter, r *http.Request) (any, error) {
	return a.deliveries.probe(r.Context(), r.PathValue("delivery"))
}

// detail finds one delivery, wherever it comes from. Kind NotFound.
func (m *deliveries) detail(ctx context.Context, name string) (d DeliveryDetail, err error) {
	found := false
	for _, s := range m.status(ctx) {
		if s.Name == name && !found {
			d.DeliveryStatus, found = s, true
		}
	}
	if !found {
		return d, noDelivery(name)
	}
	if d.Origin == originFile {
		return d, nil
	}
	s, err := m.get(ctx, name)
	d.Document, d.Created, d.Updated = s.Document, s.Created, s.Updated
	return d, err
}

// probeTime bounds a dry run.
const probeTime = 20 * time.Second

// probe asks a delivery's destination, from this gateway, whether it would
// take records. Kind NotFound.
func (m *deliveries) probe(ctx context.Context, name string) (ProbeReport, error) {
	c, err := m.configOf(ctx, name)
	if err != nil {
		return ProbeReport{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	report, began := ProbeReport{Name: name}, time.Now()
	result := firehose.Fail(firehose.Config, nil)
	if _, sink, err := m.open(c); err != nil {
		result.Err = err
	} else {
		report.Sink = sink.String()
		result = sink.Probe(ctx)
		_ = sink.Close() // nothing was sent through it
	}
	report.OK, report.Class, report.Took = result.Done(), result.Class.String(), time.Since(began)
	if result.Err != nil {
		report.Error = result.Err.Error()
	}
	report.Advice = classAdvice(result.Class)
	return report, nil
}

// configOf is what was said about a delivery.
func (m *deliveries) configOf(ctx context.Context, name string) (*DeliveryConfig, error) {
	for i := range m.config.Deliveries {
		if m.config.Deliveries[i].Name == name {
			return &m.config.Deliveries[i], nil
		}
	}
	s, err := m.get(ctx, name)
	if err != nil {
		return nil, err
	}
	return m.parse(name, s)
}

// classAdvice is what to do about a probe's outcome, "" when nothing is.
func classAdvice(c firehose.Class) string {
	switch c {
	case firehose.Transient:
		return "the destination cannot be reached from here: look at the network, the name and the port"
	case firehose.Throttled:
		return "the destination is busy: nothing to do"
	case firehose.Auth:
		return "the destination refuses the credentials: correct them where the delivery says they lie"
	case firehose.Config:
		return "something must be set up first, at the destination or in the delivery"
	}
	return ""
}

// Deliveries lists all deliveries, those of the configuration file first.
func (c *Client) Deliveries(ctx context.Context) (all []DeliveryStatus, err error) {
	return all, c.call(ctx, http.MethodGet, "/deliveries", nil, &all)
}

// Delivery is one delivery.
func (c *Client) Delivery(ctx context.Context, name string) (d DeliveryDetail, err error) {
	return d, c.call(ctx, http.MethodGet, deliveryPath(name), nil, &d)
}

// CreateDelivery stores a delivery: YAML as an element of the configuration
// file's deliveries. It begins at once. Kinds: Invalid, InUse.
func (c *Client) CreateDelivery(ctx context.Context, document string) (d DeliveryDetail, err error) {
	return d, c.call(ctx, http.MethodPost, "/deliveries", deliveryText{document}, &d)
}

// DeleteDelivery ends a delivery and forgets how far it got.
func (c *Client) DeleteDelivery(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, deliveryPath(name), nil, nil)
}

// TestDelivery asks a delivery's destination whether it would take records.
func (c *Client) TestDelivery(ctx context.Context, name string) (r ProbeReport, err error) {
	return r, c.call(ctx, http.MethodPost, deliveryPath(name)+"/probe", nil, &r)
}

func deliveryPath(name string) string { return "/deliveries/" + url.PathEscape(name) }

// deliveryAdmin is what the socket does with deliveries.
type deliveryAdmin interface {
	status(ctx context.Context) []DeliveryStatus
	detail(ctx context.Context, name string) (DeliveryDetail, error)
	create(ctx context.Context, s storedDelivery) (*DeliveryConfig, error)
	remove(ctx context.Context, name string) error
	probe(ctx context.Context, name string) (ProbeReport, error)
	pause(ctx context.Context, name string, on bool) error
	seek(ctx context.Context, name string, to DeliverySeek) error
}

var _ deliveryAdmin = (*deliveries)(nil)
