// Package videoapi is the useful subset of Amazon Kinesis Video Streams over
// the cameras of the gateway: one file per operation. It knows Kinesis Video's
// words, limits and texts; it does not know how footage is stored or made into
// MP4 and HLS, nor how requests travel (package awsapi).
//
// A video stream is a camera: a stream of class Video with one shard. A
// fragment is a stored part from which decoding may start, with those behind
// it up to the next such; its number is the sequence number of its first
// record, in decimal.
package videoapi

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"headgate/gateway/awsapi"
	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// Config is what an API needs.
type Config struct {
	Reader  shardlog.Reader
	Catalog shardlog.Catalog
	Control shardlog.Control
	States  shardlog.States
	// Footage is what is stored of a stream.
	Footage func(stream shardlog.StreamName) *chunk.Footage
	// Recorder stores what comes for a stream.
	Recorder func(ctx context.Context, stream shardlog.StreamName) (*chunk.Recorder, error)
	// Remove deletes a stream and what else is kept of it.
	Remove func(ctx context.Context, stream shardlog.StreamName) error
	// Busy reports whether footage of a stream comes in by another door. Nil: never.
	Busy func(stream shardlog.StreamName) bool
	// Clip makes an MP4 of what lies between two times, milliseconds since
	// 1970. Kind Invalid: MP4 does not have its codecs.
	Clip func(ctx context.Context, stream shardlog.StreamName, from, to int64) (io.Reader, error)
	// Grants seals the addresses that play without credentials.
	Grants *Grants
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// Validate answers what is missing.
func (c *Config) Validate() error {
	if c.Reader == nil || c.Catalog == nil || c.Control == nil || c.States == nil {
		return errors.New("video api: reader, catalog, control and states are all needed")
	}
	if c.Footage == nil || c.Recorder == nil || c.Remove == nil || c.Clip == nil || c.Grants == nil {
		return errors.New("video api: footage, recorder, remove, clip and grants are all needed")
	}
	return nil
}

// API is the Kinesis Video Streams API. It is safe for concurrent use.
type API struct {
	config Config

	mu      sync.Mutex
	putting map[shardlog.StreamName]bool     // guarded by mu: a PutMedia is under way
	getting map[shardlog.StreamName]int      // guarded by mu: GetMedias under way
	torn    map[shardlog.StreamName]*session // guarded by mu: PutMedias that broke off, which may go on
}

// New makes an API.
func New(c Config) (*API, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &API{config: c, putting: map[shardlog.StreamName]bool{}, getting: map[shardlog.StreamName]int{}, torn: map[shardlog.StreamName]*session{}}, nil
}

// Service is the API as a door serves it.
func (a *API) Service() awsapi.Service {
	return awsapi.Service{
		Signing: "kinesisvideo",
		Needs:   a.needs,
		Invalid: invalidArgument,
		Explain: explain,
		Ops: map[string]awsapi.Operation{
			"CreateStream":              {Path: "/createStream", Input: createStreamInput(), Do: a.createStream},
			"DeleteStream":              {Path: "/deleteStream", Input: deleteStreamInput(), Do: a.deleteStream},
			"DescribeStream":            {Path: "/describeStream", Input: describeStreamInput(), Do: a.describeStream},
			"GetClip":                   {Path: "/getClip", Input: getClipInput(), Flow: a.getClip, Data: true},
			"GetDataEndpoint":           {Path: "/getDataEndpoint", Input: getDataEndpointInput(), Do: a.getDataEndpoint},
			"GetHLSStreamingSessionURL": {Path: "/getHLSStreamingSessionURL", Input: getHLSInput(), Do: a.getHLS, Data: true},
			"GetMedia":                  {Path: "/getMedia", Input: getMediaInput(), Flow: a.getMedia, Data: true},
			"GetMediaForFragmentList":   {Path: "/getMediaForFragmentList", Input: getFragmentsInput(), Flow: a.getFragments, Data: true},
			"ListFragments":             {Path: "/listFragments", Input: listFragmentsInput(), Do: a.listFragments, Data: true},
			"ListStreams":               {Path: "/listStreams", Input: listStreamsInput(), Do: a.listStreams},
			"ListTagsForStream":         {Path: "/listTagsForStream", Input: listTagsInput(), Do: a.listTags},
			"PutMedia":                  {Path: "/putMedia", Upload: true, Flow: a.putMedia, Data: true},
			"TagStream":                 {Path: "/tagStream", Input: tagStreamInput(), Do: a.tagStream},
			"UntagStream":               {Path: "/untagStream", Input: untagStreamInput(), Do: a.untagStream},
			"UpdateDataRetention":       {Path: "/updateDataRetention", Input: updateRetentionInput(), Do: a.updateRetention},
		},
	}
}
