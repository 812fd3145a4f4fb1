package kinesisapi

import (
	"context"
	"errors"

	"headgate/gateway/awsapi"
)

// openPage reads a NextToken of that purpose.
func (a *API) openPage(ctx context.Context, purpose, text string) ([]byte, error) {
	content, issued, err := a.tokens.open(ctx, purpose, text)
	if errors.Is(err, errForged) {
		return nil, awsapi.Fail(invalidArgument, "Invalid NextToken.")
	}
	if err != nil {
		return nil, err
	}
	if a.tokens.expired(issued) {
		return nil, awsapi.Fail(expiredToken, "The NextToken has expired.")
	}
	return content, nil
}
