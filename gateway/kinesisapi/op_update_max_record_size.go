package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// UpdateMaxRecordSize changes how large a record of a stream may be, data and
// key: 1 to 10 MiB. It holds from the next record on; what is stored stays.
//
// ResourceNotFoundException, ValidationException, InvalidArgumentException,
// AccessDeniedException (_names).

func updateMaxRecordSizeInput() []awsapi.Field {
	return []awsapi.Field{required(recordSize()), streamARN()}
}

func (a *API) updateMaxRecordSize(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.findToSet(c.In)
	if err != nil {
		return err
	}
	kib := c.In.Int("MaxRecordSizeInKiB", 0)
	if kib<<10 == stream.LargestRecord() {
		return nil
	}
	if err := a.control.SetRecordSize(ctx, stream.Name, kib); err != nil {
		return &about{stream.Name, err}
	}
	return nil
}
