package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"headgate/gateway/kinesisapi"
	"headgate/shardlog"
)

// channelPrefix begins the names of deliveries that are channels of the
// Kinesis API.
const channelPrefix = "channel."

// kinesisChannels is the deliveries as the Kinesis API wants them.
type kinesisChannels struct{ m *deliveries }

var _ kinesisapi.Channels = kinesisChannels{}

// channelDocument is a channel in the words of the configuration file.
type channelDocument struct {
	Name        string              `json:"name"`
	Stream      shardlog.StreamName `json:"stream"`
	Start       string              `json:"start"`
	Compression string              `json:"compression"`
	Delimiter   string              `json:"delimiter"`
	Interval    string              `json:"interval"`
	ErrorPrefix string              `json:"error_prefix,omitempty"`
	S3          channelBucket       `json:"s3"`
	Backup      *channelBucket      `json:"backup,omitempty"`
}

type channelBucket struct {
	Bucket string `json:"bucket"`
}

func channelStored(c kinesisapi.Channel) storedDelivery {
	d := channelDocument{Name: channelPrefix + c.Name, Stream: c.Stream, Start: "newest", Compression: c.Compression, Delimiter: "raw",
		Interval: fmt.Sprintf("%ds", int(c.Freshness/time.Second)), ErrorPrefix: c.ErrorPrefix, S3: channelBucket{c.Bucket}}
	if c.Lines {
		d.Delimiter = "newline"
	}
	if c.ErrorBucket != "" && c.ErrorBucket != c.Bucket {
		d.Backup = &channelBucket{c.ErrorBucket}
	}
	return storedDelivery{Document: string(mustJSON(d)), Created: c.Created, Channel: c.Note}
}

func storedChannel(name string, s storedDelivery) (kinesisapi.Channel, error) {
	var d channelDocument
	if err := json.Unmarshal([]byte(s.Document), &d); err != nil {
		return kinesisapi.Channel{}, shardlog.Errorf(shardlog.Corrupt, "read channel", "%s: %w", name, err)
	}
	interval, err := time.ParseDuration(d.Interval)
	if err != nil {
		return kinesisapi.Channel{}, shardlog.Errorf(shardlog.Corrupt, "read channel", "%s: %w", name, err)
	}
	c := kinesisapi.Channel{Name: strings.TrimPrefix(name, channelPrefix), Stream: d.Stream, Created: s.Created, Deleting: s.Deleting, Bucket: d.S3.Bucket, Compression: d.Compression,
		Lines: d.Delimiter == "newline", Freshness: interval, ErrorPrefix: d.ErrorPrefix, Note: s.Channel, Version: uint64(s.version)}
	if d.Backup != nil {
		c.ErrorBucket = d.Backup.Bucket
	}
	return c, nil
}

// CreateChannel stores a new delivery.
func (k kinesisChannels) CreateChannel(ctx context.Context, c kinesisapi.Channel) error {
	_, err := k.m.create(ctx, channelStored(c))
	return err
}

// Channel finds a delivery that is a channel.
func (k kinesisChannels) Channel(ctx context.Context, name string) (kinesisapi.Channel, error) {
	s, err := k.m.get(ctx, channelPrefix+name)
	if err == nil && s.Channel == nil {
		err = noDelivery(name)
	}
	if err != nil {
		return kinesisapi.Channel{}, err
	}
	return storedChannel(channelPrefix+name, s)
}

// UpdateChannel replaces what Channel found.
func (k kinesisChannels) UpdateChannel(ctx context.Context, c kinesisapi.Channel) error {
	s := channelStored(c)
	s.Updated, s.version = time.Now().UTC(), shardlog.Version(c.Version)
	return k.m.update(ctx, channelPrefix+c.Name, s)
}

// DeleteChannel has the leader do away with a channel.
func (k kinesisChannels) DeleteChannel(ctx context.Context, name string) error {
	return k.m.remove(ctx, channelPrefix+name)
}

// Channels are all channels by name.
func (k kinesisChannels) Channels(ctx context.Context) ([]kinesisapi.Channel, error) {
	stored, err := k.m.list(ctx)
	var all []kinesisapi.Channel
	for name, s := range stored {
		if s.Channel == nil {
			continue
		}
		c, err := storedChannel(name, s)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b kinesisapi.Channel) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}
