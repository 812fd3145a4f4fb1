package iotapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/ingest/shadow"
)

// GetThingShadow, UpdateThingShadow and DeleteThingShadow are about one shadow,
// the classic one without a name. What they answer is what …/accepted says.
//
// ConflictException, InvalidRequestException, RequestEntityTooLargeException,
// ResourceNotFoundException, ServiceUnavailableException, ThrottlingException.

func (a *API) getShadow(ctx context.Context, c *awsapi.Call) error {
	return answer(c)(a.config.Shadows.Get(ctx, shadowOf(c)))
}

func (a *API) updateShadow(ctx context.Context, c *awsapi.Call) error {
	return answer(c)(a.config.Shadows.Update(ctx, shadowOf(c), c.Body))
}

func (a *API) deleteShadow(ctx context.Context, c *awsapi.Call) error {
	return answer(c)(a.config.Shadows.Delete(ctx, shadowOf(c)))
}

func shadowOf(c *awsapi.Call) shadow.ID {
	return shadow.ID{Thing: c.In.Text("thingName"), Name: c.In.Text("name")}
}

// answer makes a document the answer.
func answer(c *awsapi.Call) func([]byte, error) error {
	return func(document []byte, err error) error {
		if err == nil {
			c.Out.JSON(document)
		}
		return err
	}
}
