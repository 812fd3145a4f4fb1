package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"headgate/firehose/delivery"
	"headgate/shardlog"
)

// DeliverySeek is where a delivery is to go on.
type DeliverySeek struct {
	To    string `json:"to"`    // oldest, newest, or a time as RFC 3339 writes it
	Force bool   `json:"force"` // drop sealed batches, though they may be at the destination
}

func (a *admin) pauseDelivery(_ http.ResponseWriter, r *http.Request) (any, error) {
	return a.ordered(r, func(name string) error { return a.deliveries.pause(r.Context(), name, true) })
}

func (a *admin) resumeDelivery(_ http.ResponseWriter, r *http.Request) (any, error) {
	return a.ordered(r, func(name string) error { return a.deliveries.pause(r.Context(), name, false) })
}

func (a *admin) seekDelivery(_ http.ResponseWriter, r *http.Request) (any, error) {
	var to DeliverySeek
	if err := receive(r, &to); err != nil {
		return nil, err
	}
	return a.ordered(r, func(name string) error { return a.deliveries.seek(r.Context(), name, to) })
}

// ordered gives an order and answers how the delivery is doing.
func (a *admin) ordered(r *http.Request, order func(name string) error) (any, error) {
	name := r.PathValue("delivery")
	if err := order(name); err != nil {
		return nil, err
	}
	return a.deliveries.detail(r.Context(), name)
}

// pause stops a delivery, or lets it go on, wherever it runs. Kind NotFound.
func (m *deliveries) pause(ctx context.Context, name string, on bool) error {
	if _, err := m.configOf(ctx, name); err != nil {
		return err
	}
	if on {
		return delivery.Pause(ctx, m.states, name)
	}
	return delivery.Resume(ctx, m.states, name)
}

// seek makes a delivery go on elsewhere in all its shards on which it has
// worked. Kinds: NotFound, Invalid, InUse.
func (m *deliveries) seek(ctx context.Context, name string, to DeliverySeek) error {
	c, err := m.configOf(ctx, name)
	if err != nil {
		return err
	}
	stream, ok := m.catalog.Stream(c.Stream)
	if !ok {
		return shardlog.Errorf(shardlog.NotFound, "seek delivery", "there is no stream %s", c.Stream)
	}
	for _, shard := range stream.Shards {
		next, err := m.place(ctx, shard, to.To)
		if err != nil {
			return err
		}
		err = delivery.Seek(ctx, m.states, delivery.Target{Delivery: name, Shard: shard.ID, Next: next, Force: to.Force})
		if err != nil && shardlog.KindOf(err) != shardlog.NotFound { // it has not begun there
			return fmt.Errorf("%s: %w", shard.ID, err)
		}
	}
	return nil
}

// place is a place in a shard that people name.
func (m *deliveries) place(ctx context.Context, shard shardlog.Shard, name string) (shardlog.Seq, error) {
	switch name {
	case "oldest":
		return max(shard.Oldest, 1), nil
	case "newest":
		return max(shard.Next, 1), nil
	}
	at, err := time.Parse(time.RFC3339, name)
	if err != nil {
		return 0, shardlog.Errorf(shardlog.Invalid, "seek delivery", "%q is no place: say oldest, newest or a time such as 2026-11-26T08:00:00Z", name)
	}
	cursor, err := m.reader.Seek(ctx, shard.ID, at)
	return max(cursor.Next, 1), err
}

// PauseDelivery stops a delivery until ResumeDelivery; its stream stays pinned.
func (c *Client) PauseDelivery(ctx context.Context, name string) (d DeliveryDetail, err error) {
	return d, c.call(ctx, http.MethodPost, deliveryPath(name)+"/pause", struct{}{}, &d)
}

// ResumeDelivery lets a delivery go on.
func (c *Client) ResumeDelivery(ctx context.Context, name string) (d DeliveryDetail, err error) {
	return d, c.call(ctx, http.MethodPost, deliveryPath(name)+"/resume", struct{}{}, &d)
}

// SeekDelivery makes a delivery go on elsewhere.
func (c *Client) SeekDelivery(ctx context.Context, name string, to DeliverySeek) (d DeliveryDetail, err error) {
	return d, c.call(ctx, http.MethodPost, deliveryPath(name)+"/seek", to, &d)
}
