package ingest

import (
	"context"

	"headgate/shardlog"
)

// Make makes the stream unless it exists. Doors call it for the targets of
// their routes only: a device must not make streams at will. Kinds as of
// shardlog.Control, without InUse.
func Make(ctx context.Context, control shardlog.Control, spec shardlog.StreamSpec) error {
	err := control.CreateStream(ctx, spec)
	if err != nil && shardlog.KindOf(err) == shardlog.InUse {
		return nil
	}
	return err
}
