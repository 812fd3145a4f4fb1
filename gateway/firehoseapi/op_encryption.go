package firehoseapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// StartDeliveryStreamEncryption is refused: this gateway encrypts nothing it
// keeps, and to answer ENABLED would be untrue. StopDeliveryStreamEncryption
// does nothing, for that is how things are: DISABLED.
//
// ResourceNotFoundException, InvalidArgumentException.

const noEncryption = "it does not encrypt what it keeps; put its data folder on an encrypted volume"

func startEncryptionInput() []awsapi.Field {
	return []awsapi.Field{deliveryName(), encryptionInput("DeliveryStreamEncryptionConfigurationInput")}
}

func (a *API) startEncryption(ctx context.Context, c *awsapi.Call) error {
	if _, _, err := a.find(ctx, c.In); err != nil {
		return err
	}
	return refused("StartDeliveryStreamEncryption", noEncryption)
}

func stopEncryptionInput() []awsapi.Field { return []awsapi.Field{deliveryName()} }

func (a *API) stopEncryption(ctx context.Context, c *awsapi.Call) error {
	d, _, err := a.find(ctx, c.In)
	switch {
	case err != nil:
		return err
	case !d.Direct:
		return invalid("Encryption of %s is that of its Kinesis stream.", d.Name)
	}
	empty(c)
	return nil
}
