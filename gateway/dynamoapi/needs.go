package dynamoapi

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"headgate/gateway/awsapi"
)

// mentions are every place where a request names a table. It is read as the
// operations read theirs, so that both see the same of a member that is there
// twice, or in other letters.
type mentions struct {
	TableName, IndexName, ResourceArn string
	RequestItems                      map[string]json.RawMessage
	TransactItems                     []struct{ Put, Update, Delete, ConditionCheck *struct{ TableName string } }
}

// needs finds the tables that a request is about: all that it names, whether
// the operation looks at them or not. Each part of a transaction needs the
// leave that it would need alone.
func (a *API) needs(_ context.Context, c *awsapi.Call) (needs []awsapi.Need, err error) {
	r, err := readMentions(c)
	if err != nil {
		return nil, err
	}
	add := func(action, text string) {
		if text == "" || err != nil {
			return
		}
		name, invalid := tableName(text)
		if err = invalid; err == nil {
			needs = append(needs, awsapi.Need{Action: action, Resource: (&table{Name: name}).arn(c.Caller.Region)})
		}
	}
	add("", r.TableName)
	add("", r.ResourceArn)
	for _, table := range slices.Sorted(maps.Keys(r.RequestItems)) {
		add("", table)
	}
	for _, item := range r.TransactItems {
		for action, of := range map[string]*struct{ TableName string }{"PutItem": item.Put, "UpdateItem": item.Update,
			"DeleteItem": item.Delete, "ConditionCheckItem": item.ConditionCheck} {
			if of != nil {
				add("dynamodb:"+action, of.TableName)
			}
		}
	}
	if len(needs) == 0 && err == nil {
		needs = []awsapi.Need{{Resource: "*"}}
	}
	return needs, err
}

// needsOfIndex is needs for operations that read an index instead of its table.
func (a *API) needsOfIndex(ctx context.Context, c *awsapi.Call) ([]awsapi.Need, error) {
	needs, err := a.needs(ctx, c)
	if r, _ := readMentions(c); err == nil && r.IndexName != "" {
		needs[0].Resource += "/index/" + r.IndexName
	}
	return needs, err
}

func readMentions(c *awsapi.Call) (r mentions, err error) {
	if json.Unmarshal(c.Body, &r) != nil {
		return r, awsapi.Fail("SerializationException", "The request does not have the members of this operation.")
	}
	return r, nil
}

// permit says what each operation takes permission for, and which are of the
// data plane.
func (a *API) permit(ops map[string]awsapi.Operation) map[string]awsapi.Operation {
	for name, op := range ops {
		switch {
		case name == "Query", name == "Scan":
			op.Data, op.Needs = true, a.needsOfIndex
		case strings.HasSuffix(name, "Item"), strings.HasSuffix(name, "Items"):
			op.Data = true
		}
		ops[name] = op
	}
	return ops
}
