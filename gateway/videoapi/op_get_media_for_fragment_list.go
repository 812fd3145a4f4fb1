package videoapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// GetMediaForFragmentList sends fragments as Matroska, in the order of the
// list. One that is not there any more is told of by tags in its place.
//
// ResourceNotFoundException, InvalidArgumentException.

func getFragmentsInput() []awsapi.Field {
	return []awsapi.Field{
		{Name: "Fragments", Type: awsapi.List, Rules: []awsapi.Rule{awsapi.NotNull(), awsapi.Shortest(1), awsapi.Longest(1000)},
			Of: &awsapi.Field{Type: awsapi.String, Rules: []awsapi.Rule{awsapi.NotNull(), awsapi.Pattern(`[0-9]+`), awsapi.Longest(128)}}},
		streamName(), streamARN(),
	}
}

func (a *API) getFragments(ctx context.Context, c *awsapi.Call, f *awsapi.Flow) error {
	s, err := a.findIn(c.In)
	if err != nil {
		return err
	}
	out := &output{flow: f, archived: true}
	if err := out.begin(ctx, c); err != nil {
		return err
	}
	for _, one := range c.In.List("Fragments") {
		text, _ := one.(string)
		found := false
		if seq, ok := parseNumber(text); ok {
			if found, err = out.fragment(ctx, a.config.Footage(s.Name), seq); err != nil {
				return err
			}
		}
		if !found {
			if _, err := f.Write(chunk.AppendTags(nil, tagNumber, text, tagException, exceptionNotFound, tagExceptionText, "The fragment is not found.")); err != nil {
				return err
			}
		}
	}
	return nil
}

// fragment writes the fragment that begins at a place; false when none does.
func (o *output) fragment(ctx context.Context, footage *chunk.Footage, at shardlog.Seq) (found bool, err error) {
	for p, err := range footage.Parts(ctx, at) {
		if err != nil {
			return found, err
		}
		if !found && (p.Seq != at || !p.Key()) || found && p.Key() {
			break
		}
		found = true
		if err := o.part(p, 0); err != nil {
			return found, err
		}
	}
	return found, nil
}
