package kinesisapi

import (
	"context"
	"slices"
	"strings"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// ListStreams lists the streams by name, at most 100 in one answer: those
// behind ExclusiveStartStreamName or NextToken.
//
// ExpiredNextTokenException, InvalidArgumentException.

const (
	maxListed      = 100
	streamsPurpose = "list streams"
)

func listStreamsInput() []awsapi.Field {
	return []awsapi.Field{limit("Limit"), text("ExclusiveStartStreamName", nameRules()...), nextToken()}
}

func (a *API) listStreams(ctx context.Context, c *awsapi.Call) error {
	after := shardlog.StreamName(c.In.Text("ExclusiveStartStreamName"))
	if c.In.Has("NextToken") {
		content, err := a.openPage(ctx, streamsPurpose, c.In.Text("NextToken"))
		if err != nil {
			return err
		}
		after = shardlog.StreamName(content)
	}
	streams := a.catalog.Streams()
	at, found := slices.BinarySearchFunc(streams, after, func(s shardlog.Stream, name shardlog.StreamName) int {
		return strings.Compare(string(s.Name), string(name))
	})
	if found {
		at++
	}
	streams = streams[at:]
	n := min(c.In.Int("Limit", maxListed), maxListed, len(streams))
	next := ""
	if n < len(streams) {
		var err error
		if next, err = a.tokens.seal(ctx, streamsPurpose, []byte(streams[n-1].Name)); err != nil {
			return err
		}
	}
	return a.putStreamList(ctx, c, streams[:n], next)
}

// putStreamList writes the answer; next is "" on the last page.
func (a *API) putStreamList(ctx context.Context, c *awsapi.Call, streams []shardlog.Stream, next string) error {
	out := &c.Out
	out.Open("")
	out.List("StreamNames")
	for i := range streams {
		out.Text("", string(streams[i].Name))
	}
	out.EndList()
	out.Bool("HasMoreStreams", next != "")
	if next != "" {
		out.Text("NextToken", next)
	}
	out.List("StreamSummaries")
	for i := range streams {
		set, err := a.settingsOf(ctx, streams[i].ID)
		if err != nil {
			return &about{streams[i].Name, err}
		}
		out.Open("")
		putStream(out, c.Caller.Region, streams[i], set)
		out.Close()
	}
	out.EndList()
	out.Close()
	return nil
}
