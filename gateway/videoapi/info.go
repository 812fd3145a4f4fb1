package videoapi

import (
	"context"
	"encoding/json"

	"headgate/shardlog"
)

// space is where this package keeps its replicated state.
const space shardlog.Space = "videoapi"

// info is what is kept of a stream beside it: what its maker said of it.
type info struct {
	ID     shardlog.StreamID `json:"id"` // of the stream; what was said of one before it counts no more
	Device string            `json:"device,omitempty"`
	Media  string            `json:"media,omitempty"`
	Tags   map[string]string `json:"tags,omitempty"`
}

func infoKey(s shardlog.Stream) string { return "stream " + string(s.Name) }

// info is what is known of a stream.
func (a *API) info(ctx context.Context, s shardlog.Stream) (i info, v shardlog.Version, err error) {
	value, v, err := a.config.States.Get(ctx, space, infoKey(s))
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return info{ID: s.ID}, 0, nil
		}
		return i, 0, err
	}
	if err := json.Unmarshal(value, &i); err != nil {
		return i, v, shardlog.Errorf(shardlog.Corrupt, "read video stream", "%s: %w", s.Name, err)
	}
	if i.ID != s.ID {
		return info{ID: s.ID}, v, nil
	}
	return i, v, nil
}

// change changes what is known of a stream.
func (a *API) change(ctx context.Context, s shardlog.Stream, edit func(*info) error) error {
	for {
		i, v, err := a.info(ctx, s)
		if err != nil {
			return err
		}
		if err := edit(&i); err != nil {
			return err
		}
		value, err := json.Marshal(i)
		if err != nil {
			return err
		}
		err = a.config.States.Mutate(ctx, shardlog.Mutation{Space: space, Key: infoKey(s), Value: value, Expect: shardlog.At(v)})
		if err == nil || shardlog.KindOf(err) != shardlog.Conflict {
			return err
		}
	}
}
