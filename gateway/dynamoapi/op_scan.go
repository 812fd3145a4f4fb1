package dynamoapi

import (
	"context"
	"hash/fnv"
	"slices"

	"headgate/gateway/awsapi"
)

// Scan answers a table's items, or those of an index, in pages; with segments,
// a part of them each. It shows what this gateway has applied.
//
// ResourceNotFoundException, ValidationException.

type scanInput struct {
	finding
	ScanFilter             map[string]expected
	Segment, TotalSegments *int
}

func (a *API) scan(ctx context.Context, c *awsapi.Call, in *scanInput) (out found, err error) {
	t, _, err := a.table(ctx, in.TableName)
	if err != nil {
		return out, err
	}
	schema, err := t.schemaOf(in.IndexName)
	if err != nil {
		return out, err
	}
	keep, err := in.filter(in.ScanFilter)
	if err != nil {
		return out, err
	}
	items, err := a.candidates(ctx, c, &t, schema, false)
	if err != nil {
		return out, err
	}
	if in.TotalSegments != nil || in.Segment != nil {
		if in.TotalSegments == nil || in.Segment == nil || *in.Segment < 0 || *in.Segment >= *in.TotalSegments {
			return out, awsapi.Invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments")
		}
		hash, _ := hashAndRange(t.Schema)
		items = slices.DeleteFunc(items, func(it item) bool {
			sum := fnv.New32a()
			sum.Write([]byte(it[hash].text))
			sum.Write(it[hash].bytes)
			return int(sum.Sum32())%*in.TotalSegments != *in.Segment
		})
	}
	return in.page(&t, schema, items, keep, false)
}

// filter is the request's, in either language.
func (in *finding) filter(legacy map[string]expected) (condition, error) {
	if in.FilterExpression != "" {
		return in.names.condition("FilterExpression", in.FilterExpression)
	}
	return conditions(legacy, in.ConditionalOperator)
}
