package delivery

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"time"

	"headgate/shardlog"
)

// namer makes the names and ids of one delivery's objects.
type namer struct {
	delivery string
	site     string // random, of this site
	version  int
	prefixes prefixes
	ending   string // of data
	lines    string // of error records
}

// as is the namer for a batch that was sealed under another version, and so
// perhaps another format. An extension that the spec names goes before the encoder's.
func (n namer) as(version int, extension string, c codecs) namer {
	n.version, n.ending, n.lines = version, extension, extension
	if extension == "" {
		n.ending, n.lines = c.data.Extension(), c.lines.Extension()
	}
	return n
}

// extent is what an object holds: a range of a shard and what that came to. A
// range that comes to something else when it is delivered again, since a
// transform or the hour of a refusal is in it, is another object.
type extent struct {
	shard       shardlog.ShardID
	first, last shardlog.Seq
	arrived     time.Time // of the oldest record
	sum         digest
	partition   string
}

// object is the name of an extent's object: AWS's scheme with a suffix that is
// the extent instead of a random one.
func (n namer) object(e extent) string {
	return n.prefixes.data.at(e.arrived, "", e.partition) + n.base(e) + n.ending
}

// errorObject is the name of the object of what was refused.
func (n namer) errorObject(e extent) string {
	return n.prefixes.errors.at(e.arrived, processingFailed, "") + n.base(e) + n.lines
}

func (n namer) base(e extent) string {
	return fmt.Sprintf("%s-%d-%s-%04d-%012d-%012d-%s.%d.%x", n.delivery, n.version, e.arrived.UTC().Format("2006-01-02-15-04-05"),
		e.shard.Number, e.first, e.last, n.site, e.shard.Stream, e.sum[:4])
}

// source names a shard among those of all sites.
func (n namer) source(shard shardlog.ShardID) string {
	return fmt.Sprintf("%s-%d-%d", n.site, shard.Stream, shard.Number)
}

// id is the UUID (version 5) of an extent's object of the given part, "data" or
// "errors". It is the same whenever and wherever it is asked for.
func (n namer) id(e extent, part string) string {
	h := sha1.New()
	fmt.Fprintf(h, "headgate/%s/%s/%d/%d/%d/%d/%d/%s/%x", n.site, n.delivery, e.shard.Stream, e.shard.Number, e.first, e.last, n.version, part, e.sum)
	if e.partition != "" {
		fmt.Fprint(h, "/", e.partition)
	}
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%s-%s-%s-%s-%s", hex.EncodeToString(u[:4]), hex.EncodeToString(u[4:6]), hex.EncodeToString(u[6:8]),
		hex.EncodeToString(u[8:10]), hex.EncodeToString(u[10:]))
}
