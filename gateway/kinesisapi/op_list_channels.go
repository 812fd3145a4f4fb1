package kinesisapi

import (
	"context"
	"strings"

	"headgate/gateway/awsapi"
)

// ListChannels lists the channels by name, at most 100 in one answer, of all
// streams or those that StreamFilter names.
//
// ExpiredNextTokenException, InvalidArgumentException.

const channelsPurpose = "list channels"

func listChannelsInput() []awsapi.Field {
	filter := awsapi.Field{Type: awsapi.Structure, Fields: []awsapi.Field{text("StreamARN"), timestamp("StreamCreationTimestamp")}}
	return []awsapi.Field{limit("MaxResults"), nextToken(), {Name: "StreamFilter", Type: awsapi.List, Of: &filter}}
}

func (a *API) listChannels(ctx context.Context, c *awsapi.Call) error {
	after := ""
	if c.In.Has("NextToken") {
		content, err := a.openPage(ctx, channelsPurpose, c.In.Text("NextToken"))
		if err != nil {
			return err
		}
		after = string(content)
	}
	all, err := a.channels.Channels(ctx)
	if err != nil {
		return err
	}
	var page []Channel
	for _, one := range all {
		if one.Name > after && a.wanted(c.In, one) {
			page = append(page, one)
		}
	}
	next := ""
	if n := min(c.In.Int("MaxResults", maxListed), maxListed); len(page) > n {
		page = page[:n]
		if next, err = a.tokens.seal(ctx, channelsPurpose, []byte(page[n-1].Name)); err != nil {
			return err
		}
	}
	a.putChannelList(c, page, next)
	return nil
}

// wanted reports whether a filter lets a channel through.
func (a *API) wanted(in awsapi.Input, c Channel) bool {
	filters := in.List("StreamFilter")
	for _, one := range filters {
		f, _ := one.(awsapi.Input)
		if strings.HasSuffix(f.Text("StreamARN"), ":stream/"+string(c.Stream)) {
			return true
		}
	}
	return len(filters) == 0
}

func (a *API) putChannelList(c *awsapi.Call, page []Channel, next string) {
	out := &c.Out
	out.Open("")
	out.List("ChannelSummaries")
	for _, one := range page {
		out.Open("")
		a.putChannelHead(out, c.Caller.Region, one)
		out.Text("ChannelDestinationType", "S3")
		out.List("Streams")
		out.Open("")
		out.Text("StreamARN", arn(c.Caller.Region, one.Stream))
		out.Close()
		out.EndList()
		out.Close()
	}
	out.EndList()
	if next != "" {
		out.Text("NextToken", next)
	}
	out.Close()
}
