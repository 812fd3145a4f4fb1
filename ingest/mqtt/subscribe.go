package mqtt

import (
	"bytes"
	"context"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/ingest/downlink"
	"headgate/shardlog"
)

// onSubscribe adds a device's subscriptions, keeps them if its session lasts,
// and answers.
func (d *device) onSubscribe(ctx context.Context, pk *packets.Packet) error {
	if code := pk.SubscribeValidate(); code != packets.CodeSuccess {
		return code
	}
	if len(pk.Filters) > maxFilters || len(d.inbox.Subscriptions())+len(pk.Filters) > maxSubs {
		return packets.ErrQuotaExceeded
	}
	ack := packets.Packet{ProtocolVersion: d.version(), FixedHeader: packets.FixedHeader{Type: packets.Suback}, PacketID: pk.PacketID}
	var fresh []wanted
	d.mu.Lock()
	d.ready = false // what a stream has waits for SUBACK, which some clients want first
	d.mu.Unlock()
	defer d.open()
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	for _, f := range pk.Filters {
		code, wants := d.subscribe(ctx, f, pk.Properties.User)
		if d.version() < 5 && code >= packets.ErrUnspecifiedError.Code {
			code = packets.ErrUnspecifiedError.Code
		}
		ack.ReasonCodes = append(ack.ReasonCodes, code)
		fresh = append(fresh, wants...)
	}
	d.remember(ctx)
	var b bytes.Buffer
	d.encoded(&b, &ack, (*packets.Packet).SubackEncode)
	d.write(b.Bytes())
	d.mu.Lock()
	d.retained = append(d.retained, fresh...)
	d.mu.Unlock()
	return nil
}

// remember keeps the subscriptions of a session that lasts. If that does not
// work now, a crash of this gateway would forget them; a device that leaves
// tries again.
func (d *device) remember(ctx context.Context) {
	if d.expiry == 0 {
		return
	}
	if err := d.keep(ctx); err != nil {
		d.conn.server.cfg.Log.Warn("keep subscriptions", "client", d.client, "error", err)
	}
}

// subscribe adds one subscription, and answers its reason code and the retained
// messages that it is given.
func (d *device) subscribe(ctx context.Context, f packets.Subscription, with []packets.UserProperty) (code byte, wants []wanted) {
	sub, err := downlink.ParseName(f.Filter)
	stream, whole := sub.Stream()
	if err == nil && whole {
		err = beginAs(&sub, with)
	}
	switch {
	case err != nil || len(f.Filter) > maxTopic:
		return packets.ErrTopicFilterInvalid.Code, nil
	case filterBytes(d.inbox.Subscriptions())+len(f.Filter) > maxSubBytes:
		return packets.ErrQuotaExceeded.Code, nil
	case strings.HasPrefix(sub.Filter, "$") && !whole && !d.conn.server.serves(sub.Filter), stream.Own(), d.conn.guard != nil && !d.conn.guard.Subscribe(f.Filter):
		return packets.ErrNotAuthorized.Code, nil
	}
	sub.QoS, sub.NoLocal, sub.AsRetained, sub.Identifier, sub.Lasts = f.Qos, f.NoLocal, f.RetainAsPublished, uint32(f.Identifier), d.expiry
	replaced, err := d.conn.server.follower.Subscribe(ctx, d.inbox, sub)
	switch {
	case err == nil:
	case shardlog.KindOf(err) == shardlog.NotFound, shardlog.KindOf(err) == shardlog.Invalid: // there is no such stream
		return packets.ErrTopicFilterInvalid.Code, nil
	default:
		d.conn.server.cfg.Log.Warn("subscribe", "client", d.client, "error", err)
		return packets.ErrUnspecifiedError.Code, nil
	}
	if sub.Group == "" && !whole && (f.RetainHandling == 0 || f.RetainHandling == 1 && !replaced) { // MQTT 5.0, 3.3.1.3
		wants = d.conn.server.retainedUnder(ctx, sub)
	}
	return f.Qos, wants
}

func filterBytes(all []downlink.Subscription) (n int) {
	for i := range all {
		n += len(all[i].Name())
	}
	return n
}

// onUnsubscribe removes subscriptions.
func (d *device) onUnsubscribe(ctx context.Context, pk *packets.Packet) error {
	if code := pk.UnsubscribeValidate(); code != packets.CodeSuccess {
		return code
	}
	ack := packets.Packet{ProtocolVersion: d.version(), FixedHeader: packets.FixedHeader{Type: packets.Unsuback}, PacketID: pk.PacketID}
	for _, f := range pk.Filters {
		code := packets.CodeSuccess.Code
		if !d.conn.server.follower.Unsubscribe(d.inbox, f.Filter) {
			code = packets.CodeNoSubscriptionExisted.Code
		}
		ack.ReasonCodes = append(ack.ReasonCodes, code)
	}
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	d.remember(ctx)
	var b bytes.Buffer
	d.encoded(&b, &ack, (*packets.Packet).UnsubackEncode)
	d.write(b.Bytes())
	return nil
}

// retainedUnder are the retained messages that a new subscription is given.
func (s *Server) retainedUnder(ctx context.Context, sub downlink.Subscription) (all []wanted) {
	prefix := sub.Filter
	if i := strings.IndexAny(prefix, "+#"); i >= 0 {
		prefix = prefix[:i]
		if strings.HasSuffix(sub.Filter, "/#") {
			prefix = strings.TrimSuffix(prefix, "/") // a/# has a, too
		}
	}
	filter, err := ingest.ParseFilter(sub.Filter)
	if err != nil {
		return nil // it was checked
	}
	for topic := range s.cfg.States.List(ctx, retainedSpace, prefix) {
		if filter.Matches(topic) {
			all = append(all, wanted{topic, sub})
		}
	}
	return all
}
