package mqtt

import (
	"strconv"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/downlink"
	"headgate/shardlog"
)

// beginAs takes where a stream is to be read from out of the user properties
// from and shard of a SUBSCRIBE, unless its filter says so. Kind Invalid.
func beginAs(sub *downlink.Subscription, with []packets.UserProperty) error {
	from, shard := sub.From, sub.Shard
	for _, u := range with {
		switch {
		case u.Key == "from" && sub.From == "":
			from = u.Val
		case u.Key == "shard" && sub.Shard == "":
			shard = u.Val
		}
	}
	return sub.Begin(from, shard)
}

// readWhole makes a message of any record of a stream that is sent as a whole.
func readWhole(topic string, shard shardlog.ShardID, r shardlog.Record) downlink.Message {
	meta, err := DecodeMeta(r.Meta)
	if err != nil || meta.Topic == "" {
		meta = Meta{} // no device published it
	}
	at := []Property{
		{Name: "seq", Value: strconv.FormatUint(uint64(r.Seq), 10)}, {Name: "shard", Value: shard.String()},
		{Name: "key", Value: r.Key}, {Name: "time", Value: r.Arrived.UTC().Format(stamp)},
	}
	if meta.Topic != "" {
		at = append([]Property{{Name: "topic", Value: meta.Topic}}, at...)
		if meta.Client == "" {
			meta.Client = r.Key
		}
	}
	size := len(r.Data) + len(topic) + len(meta.Topic) + len(r.Key) + 160
	return downlink.Message{Topic: topic, Client: meta.Client, Body: &record{payload: r.Data, meta: meta, arrived: r.Arrived, place: at}, Size: size}
}

// stamp is RFC 3339 with milliseconds.
const stamp = "2006-01-02T15:04:05.000Z07:00"

// readGap makes a message, without a payload, of records that are missing in a
// stream that is sent as a whole.
func readGap(topic string, g shardlog.Gap) downlink.Message {
	at := []Property{
		{Name: "gap", Value: string(g.Reason)}, {Name: "shard", Value: g.Shard.String()},
		{Name: "first", Value: strconv.FormatUint(uint64(g.First), 10)}, {Name: "last", Value: strconv.FormatUint(uint64(g.Last), 10)},
	}
	return downlink.Message{Topic: topic, Body: &record{place: at}, Size: len(topic) + 160}
}
