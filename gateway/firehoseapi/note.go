package firehoseapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// The types of delivery streams.
const (
	directPut     = "DirectPut"
	kinesisSource = "KinesisStreamAsSource"
)

// note is what this room keeps with a delivery.
type note struct {
	Kind        string         `json:"kind"`             // of destination
	Destination map[string]any `json:"destination"`      // as it was configured, defaults filled in
	Source      map[string]any `json:"source,omitempty"` // KinesisStreamSourceConfiguration or DirectPutSourceConfiguration
	Version     int            `json:"version"`          // counts the updates of the destination
	Tags        []tag          `json:"tags,omitempty"`
}

type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// find is the delivery that a request names, with its note.
func (a *API) find(ctx context.Context, in awsapi.Input) (Delivery, note, error) {
	name := in.Text("DeliveryStreamName")
	d, err := a.deliveries.Describe(ctx, name)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return d, note{}, noDelivery(name)
		}
		return d, note{}, err
	}
	n := note{Version: 1}
	if d.Note == nil {
		return d, n, nil
	}
	if err := json.Unmarshal(d.Note, &n); err != nil {
		return d, n, shardlog.Errorf(shardlog.Corrupt, "read delivery", "%s: %w", name, err)
	}
	return d, n, nil
}

// findOurs is find for a request that changes the delivery.
func (a *API) findOurs(ctx context.Context, in awsapi.Input) (Delivery, note, error) {
	d, n, err := a.find(ctx, in)
	switch {
	case err != nil:
		return d, n, err
	case d.Fixed:
		return d, n, invalid("%s stands in the gateway's configuration file. Change it there.", d.Name)
	case d.Note == nil:
		return d, n, invalid("%s was made by headgate delivery. Change it there.", d.Name)
	case d.Deleting:
		return d, n, awsapi.Fail(resourceInUse, "Firehose %s under account %s is being deleted.", d.Name, awsapi.Account)
	}
	return d, n, nil
}

// keep stores a delivery that find found, with its new note.
func (a *API) keep(ctx context.Context, d Delivery, n note) (err error) {
	if d.Note, err = n.encode(); err != nil {
		return err
	}
	return a.deliveries.Update(ctx, d)
}

func (n note) encode() ([]byte, error) {
	b, err := json.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("write note: %w", err)
	}
	return b, nil
}

// putValue appends what JSON decoded: a description as it was stored.
func putValue(out *awsapi.Reply, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		out.Open(name)
		for _, member := range slices.Sorted(maps.Keys(v)) {
			putValue(out, member, v[member])
		}
		out.Close()
	case []any:
		out.List(name)
		for _, one := range v {
			putValue(out, "", one)
		}
		out.EndList()
	case string:
		out.Text(name, v)
	case bool:
		out.Bool(name, v)
	case float64:
		out.Int(name, int64(v))
	}
}
