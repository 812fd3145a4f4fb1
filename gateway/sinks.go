package gateway

import (
	"context"
	"time"
)

// running is one delivery.
type running struct {
	run    func(ctx context.Context) error
	status func() DeliveryStatus
}

// DeliveryStatus is one delivery.
type DeliveryStatus struct {
	Name       string        `json:"name"`
	Stream     string        `json:"stream"`
	Sink       string        `json:"sink"`
	State      string        `json:"state"` // waiting, running, retrying, held
	LagRecords uint64        `json:"lag_records"`
	LagBytes   uint64        `json:"lag_bytes"`
	LagAge     time.Duration `json:"lag_age_ns"`
	Objects    uint64        `json:"objects"`
	Records    uint64        `json:"records"`
	Bytes      uint64        `json:"bytes"`   // uncompressed
	Missing    uint64        `json:"missing"` // records that were gone before they could be delivered
	LastError  string        `json:"last_error,omitempty"`
}

func (g *Gateway) deliveryStatus() []DeliveryStatus {
	var all []DeliveryStatus
	for _, d := range g.deliveries {
		all = append(all, d.status())
	}
	return all
}

func (g *Gateway) wireDeliveries() error { return nil }
