package kinesisapi

import (
	"context"
	"encoding/binary"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// ListShards lists a stream's shards, at most 1,000 in one answer: those that
// the filter keeps, behind ExclusiveStartShardId or NextToken. A NextToken
// holds stream and filter, and so comes alone.
//
// ResourceNotFoundException, InvalidArgumentException, ExpiredNextTokenException.

const (
	maxShardsListed = 1000
	shardsPurpose   = "list shards"
)

func listShardsInput() []awsapi.Field {
	return []awsapi.Field{
		text("ExclusiveStartShardId", nameRules()...), limit("MaxResults"), nextToken(),
		timestamp("StreamCreationTimestamp"), streamName(), streamARN(),
		{Name: "ShardFilter", Type: awsapi.Structure, Fields: []awsapi.Field{
			text("Type", awsapi.NotNull(), awsapi.OneOf(filterNames[:]...)),
			text("ShardId", nameRules()...),
			timestamp("Timestamp"),
		}},
	}
}

func (a *API) listShards(ctx context.Context, c *awsapi.Call) error {
	stream, filter, err := a.listing(ctx, c.In)
	if err != nil {
		return err
	}
	now := a.now()
	kept := make([]shardlog.Shard, 0, len(stream.Shards))
	for _, s := range stream.Shards {
		if filter.keeps(stream, s, now) {
			kept = append(kept, s)
		}
	}
	n := min(c.In.Int("MaxResults", maxShardsListed), maxShardsListed, len(kept))
	next := ""
	if n < len(kept) {
		filter.behind, filter.after = true, kept[n-1].ID.Number
		if next, err = a.tokens.seal(ctx, shardsPurpose, filter.encode(stream.ID)); err != nil {
			return err
		}
	}
	c.Out.Open("")
	putShards(&c.Out, kept[:n])
	if next != "" {
		c.Out.Text("NextToken", next)
	}
	c.Out.Close()
	return nil
}

// listing is the stream to list and what to keep of it.
func (a *API) listing(ctx context.Context, in awsapi.Input) (shardlog.Stream, shardFilter, error) {
	token := in.Text("NextToken")
	named := in.Has("StreamName") || in.Has("StreamARN")
	switch {
	case token == "" && !named:
		return shardlog.Stream{}, shardFilter{}, awsapi.Fail(invalidArgument, "Either NextToken or StreamName should be provided.")
	case token != "" && named:
		return shardlog.Stream{}, shardFilter{}, awsapi.Fail(invalidArgument, "NextToken and StreamName cannot be provided together.")
	case token != "":
		return a.listingFrom(ctx, token)
	}
	stream, err := a.find(in)
	if err != nil {
		return stream, shardFilter{}, err
	}
	if ms, ok := in.Millis("StreamCreationTimestamp"); ok && ms/1000 != stream.Created.Unix() {
		return stream, shardFilter{}, noStream(stream.Name)
	}
	filter, err := parseFilter(in)
	return stream, filter, err
}

func (a *API) listingFrom(ctx context.Context, token string) (shardlog.Stream, shardFilter, error) {
	content, err := a.openPage(ctx, shardsPurpose, token)
	if err != nil {
		return shardlog.Stream{}, shardFilter{}, err
	}
	if len(content) != filterBytes {
		return shardlog.Stream{}, shardFilter{}, awsapi.Fail(invalidArgument, "Invalid NextToken.")
	}
	stream, ok := a.catalog.StreamByID(shardlog.StreamID(binary.BigEndian.Uint32(content)))
	if !ok {
		return stream, shardFilter{}, awsapi.Fail(resourceNotFound, "The stream of this NextToken does not exist any more.")
	}
	return stream, decodeFilter(content), nil
}
