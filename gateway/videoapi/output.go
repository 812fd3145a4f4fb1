package videoapi

import (
	"context"
	"strconv"
	"time"

	"headgate/gateway/awsapi"
	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// The tags that stand around fragments.
const (
	tagNumber         = "AWS_KINESISVIDEO_FRAGMENT_NUMBER"
	tagServer         = "AWS_KINESISVIDEO_SERVER_TIMESTAMP"
	tagProducer       = "AWS_KINESISVIDEO_PRODUCER_TIMESTAMP"
	tagServerSide     = "AWS_KINESISVIDEO_SERVER_SIDE_TIMESTAMP" // in archived media
	tagProducerSide   = "AWS_KINESISVIDEO_PRODUCER_SIDE_TIMESTAMP"
	tagBehind         = "AWS_KINESISVIDEO_MILLIS_BEHIND_NOW"
	tagContinue       = "AWS_KINESISVIDEO_CONTINUATION_TOKEN"
	tagException      = "AWS_KINESISVIDEO_EXCEPTION_ERROR_CODE"
	tagExceptionText  = "AWS_KINESISVIDEO_EXCEPTION_MESSAGE"
	exceptionNotFound = "4000"
)

const typeMKV = "video/x-matroska"

// maxKeptOutput bounds the buffer that an answer keeps from part to part.
const maxKeptOutput = 1 << 20

// outputMemory is what an answer with media takes: a page of records, and a part.
const outputMemory = 3 << 20

// output writes fragments as one Matroska file without an end: the header
// when tracks begin or change, tags in front of each fragment, its clusters
// with absolute times.
type output struct {
	flow     *awsapi.Flow
	archived bool
	tracks   []chunk.Track
	current  shardlog.Seq // the fragment under way; 0: none
	buf      []byte
}

// begin takes memory and sends the head of the answer.
func (o *output) begin(ctx context.Context, c *awsapi.Call) error {
	if err := c.Hold(ctx, outputMemory); err != nil {
		return err
	}
	return o.flow.Begin(typeMKV)
}

// part writes a part. behind is how far the fragment that it ends, if any, was
// behind now.
func (o *output) part(p chunk.Stored, behind time.Duration) error {
	b := o.buf[:0]
	if p.Key() {
		b = o.appendTail(b, behind)
		if !chunk.SameTracks(o.tracks, p.Tracks) {
			b, o.tracks = chunk.AppendHeader(b, p.Tracks), p.Tracks
		}
		server, producer := tagServer, tagProducer
		if o.archived {
			server, producer = tagServerSide, tagProducerSide
		}
		b = chunk.AppendTags(b, tagNumber, number(p.Seq), server, seconds(p.Arrived), producer, seconds(p.Start))
		o.current = p.Seq
	}
	b = p.AppendCluster(b, 0)
	_, err := o.flow.Write(b)
	if o.buf = b; cap(b) > maxKeptOutput {
		o.buf = nil
	}
	return err
}

// appendTail ends the fragment under way.
func (o *output) appendTail(b []byte, behind time.Duration) []byte {
	if o.current == 0 || o.archived {
		return b
	}
	return chunk.AppendTags(b, tagBehind, strconv.FormatInt(max(0, behind.Milliseconds()), 10), tagContinue, number(o.current))
}

// seconds is a time as tags have it: seconds since 1970, with milliseconds.
func seconds(ms int64) string {
	return strconv.FormatInt(ms/1000, 10) + "." + strconv.FormatInt(1000+ms%1000, 10)[1:]
}
