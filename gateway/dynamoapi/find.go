package dynamoapi

import (
	"context"
	"slices"
	"sort"

	"headgate/gateway/awsapi"
)

// finding are the members that Query and Scan have in common.
type finding struct {
	names
	TableName            string
	IndexName            string
	Limit                int
	ExclusiveStartKey    item
	FilterExpression     string
	ConditionalOperator  string
	ProjectionExpression string
	AttributesToGet      []string
	Select               string
}

type found struct {
	Items            []item `json:",omitempty"`
	Count            int
	ScannedCount     int
	LastEvaluatedKey item `json:",omitempty"`
}

// maxAnswer is how many bytes of items an answer has, about.
const maxAnswer = 1 << 20

// candidates are a table's items that its index has, in the order of their keys.
func (a *API) candidates(ctx context.Context, c *awsapi.Call, t *table, schema []keyElement, backwards bool) ([]item, error) {
	items, err := a.all(ctx, c, t)
	if err != nil {
		return nil, err
	}
	items = slices.DeleteFunc(items, func(it item) bool {
		return slices.ContainsFunc(schema, func(k keyElement) bool { return it[k.AttributeName].kind != t.typeOf(k.AttributeName) })
	})
	order := slices.Concat(schema, t.Schema)
	sort.SliceStable(items, func(i, j int) bool {
		c := compareBy(order, items[i], items[j])
		return c < 0 != backwards && c != 0
	})
	return items, nil
}

func compareBy(order []keyElement, a, b item) int {
	for _, k := range order {
		if c, _ := a[k.AttributeName].compare(b[k.AttributeName]); c != 0 {
			return c
		}
	}
	return 0
}

// page cuts items to what one answer has, behind the key that the request
// starts from, and keeps those that the filter keeps.
func (in *finding) page(t *table, schema []keyElement, items []item, keep condition, backwards bool) (out found, err error) {
	paths, err := in.projection(in.ProjectionExpression, in.AttributesToGet)
	if err != nil {
		return out, err
	}
	order := slices.Concat(schema, t.Schema)
	if in.ExclusiveStartKey != nil {
		for _, k := range order {
			if in.ExclusiveStartKey[k.AttributeName].kind != t.typeOf(k.AttributeName) {
				return out, awsapi.Invalid("The provided starting key is invalid")
			}
		}
		items = slices.DeleteFunc(items, func(it item) bool {
			c := compareBy(order, it, in.ExclusiveStartKey)
			return c == 0 || c < 0 != backwards
		})
	}
	bytes := 0
	for i, it := range items {
		if in.Limit > 0 && out.ScannedCount >= in.Limit || bytes >= maxAnswer {
			out.LastEvaluatedKey = keyOf(order, items[i-1])
			break
		}
		out.ScannedCount++
		for name, v := range it {
			bytes += len(name) + v.size()
		}
		if !keep(it) {
			continue
		}
		if out.Count++; in.Select != "COUNT" {
			out.Items = append(out.Items, project(it, paths))
		}
	}
	if in.Limit > 0 && out.ScannedCount == in.Limit && out.LastEvaluatedKey == nil && len(items) == in.Limit {
		out.LastEvaluatedKey = keyOf(order, items[in.Limit-1])
	}
	return out, nil
}

func keyOf(order []keyElement, it item) item {
	key := item{}
	for _, k := range order {
		key[k.AttributeName] = it[k.AttributeName]
	}
	return key
}
