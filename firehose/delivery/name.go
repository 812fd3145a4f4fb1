package delivery

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// namer makes the names and ids of one delivery's objects.
type namer struct {
	delivery string
	site     string // random, of this site
	version  int
	prefixes prefixes
	ending   string
}

// as is the namer for a batch that was sealed under another version, and so
// perhaps another format. An extension that the spec names goes before the encoder's.
func (n namer) as(version int, extension string, e firehose.Encoder) namer {
	n.version, n.ending = version, extension
	if extension == "" {
		n.ending = e.Extension()
	}
	return n
}

// object is the name of the object of a range: AWS's scheme with a suffix
// that is the range instead of a random one.
func (n namer) object(shard shardlog.ShardID, first, last shardlog.Seq, arrived time.Time) string {
	return n.prefixes.data.at(arrived, "") + n.base(shard, first, last, arrived)
}

// errorObject is the name of the object of what was refused in a range.
func (n namer) errorObject(shard shardlog.ShardID, first, last shardlog.Seq, arrived time.Time) string {
	return n.prefixes.errors.at(arrived, processingFailed) + n.base(shard, first, last, arrived)
}

func (n namer) base(shard shardlog.ShardID, first, last shardlog.Seq, arrived time.Time) string {
	return fmt.Sprintf("%s-%d-%s-%04d-%012d-%012d-%s.%d%s", n.delivery, n.version, arrived.UTC().Format("2006-01-02-15-04-05"),
		shard.Number, first, last, n.site, shard.Stream, n.ending)
}

// source names a shard among those of all sites.
func (n namer) source(shard shardlog.ShardID) string {
	return fmt.Sprintf("%s-%d-%d", n.site, shard.Stream, shard.Number)
}

// id is the UUID (version 5) of a range's object of the given part, "data" or
// "errors". It is the same whenever and wherever it is asked for.
func (n namer) id(shard shardlog.ShardID, first, last shardlog.Seq, part string) string {
	h := sha1.New()
	fmt.Fprintf(h, "headgate/%s/%s/%d/%d/%d/%d/%d/%s", n.site, n.delivery, shard.Stream, shard.Number, first, last, n.version, part)
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%s-%s-%s-%s-%s", hex.EncodeToString(u[:4]), hex.EncodeToString(u[4:6]), hex.EncodeToString(u[6:8]),
		hex.EncodeToString(u[8:10]), hex.EncodeToString(u[10:]))
}
