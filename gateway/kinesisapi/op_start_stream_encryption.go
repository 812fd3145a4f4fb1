package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// StartStreamEncryption notes the KMS key that a stream is said to be
// encrypted with: descriptions and answers name it from now on. There is no
// KMS at the edge, and this changes nothing on the disk, which is to be
// encrypted below the gateway.
//
// LimitExceededException: 25 changes in 24 hours. InvalidArgumentException,
// ResourceNotFoundException, AccessDeniedException (_names).

// maxEncryptions is how often a stream's encryption may change in a day.
const maxEncryptions = 25

func startStreamEncryptionInput() []awsapi.Field {
	return []awsapi.Field{streamName(), required(text("EncryptionType", awsapi.OneOf("KMS", "NONE"))),
		required(text("KeyId", awsapi.Shortest(1), awsapi.Longest(2048))), streamARN()}
}

func (a *API) startStreamEncryption(ctx context.Context, c *awsapi.Call) error {
	return a.encrypt(ctx, c, c.In.Text("KeyId"))
}

// encrypt notes a stream's key, "" for none.
func (a *API) encrypt(ctx context.Context, c *awsapi.Call, key string) error {
	stream, err := a.findToSet(c.In)
	if err != nil {
		return err
	}
	if c.In.Text("EncryptionType") != "KMS" {
		return awsapi.Fail(invalidArgument, "The only encryption type is KMS.")
	}
	return a.set(ctx, stream, func(s *settings) error {
		if s.Key == key {
			return nil
		}
		if !s.daily("StreamEncryption", maxEncryptions, a.now()) {
			return overDaily("StartStreamEncryption and StopStreamEncryption", maxEncryptions, stream.Name)
		}
		s.Key = key
		return nil
	})
}
