package videoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// GetDataEndpoint answers where a stream's media are asked for: at this
// gateway, under the address by which the client reached it.
//
// ResourceNotFoundException, InvalidArgumentException.

func getDataEndpointInput() []awsapi.Field {
	return []awsapi.Field{
		text("APIName", awsapi.NotNull(), awsapi.OneOf("PUT_MEDIA", "GET_MEDIA", "LIST_FRAGMENTS", "GET_MEDIA_FOR_FRAGMENT_LIST", "GET_HLS_STREAMING_SESSION_URL", "GET_CLIP")),
		streamName(), streamARN(),
	}
}

func (a *API) getDataEndpoint(_ context.Context, c *awsapi.Call) error {
	if _, err := a.findIn(c.In); err != nil {
		return err
	}
	c.Out.Open("")
	c.Out.Text("DataEndpoint", c.Address())
	c.Out.Close()
	return nil
}
