package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// DeleteTable deletes a table and its items.
//
// ResourceNotFoundException. ValidationException: it is protected.

func (a *API) deleteTable(ctx context.Context, c *awsapi.Call, in *named) (out tableOutput, err error) {
	t, version, err := a.table(ctx, in.TableName)
	if err != nil {
		return out, err
	}
	if t.Protected {
		return out, awsapi.Invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	out.TableDescription = a.describe(ctx, t, c.Caller.Region, "DELETING")
	err = a.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: tableKey(t.Name), Expect: shardlog.At(version)})
	if shardlog.KindOf(err) == shardlog.Conflict {
		return out, awsapi.Fail(resourceInUse, "Table is being changed: %s", t.Name)
	}
	if err != nil {
		return out, err
	}
	return out, a.clear(ctx, &t)
}

// clear deletes a table's items, some at a time.
func (a *API) clear(ctx context.Context, t *table) error {
	const some = 100
	var rows []shardlog.Mutation
	for key := range a.states.List(ctx, space, itemPrefix(t.ID)) {
		if rows = append(rows, shardlog.Mutation{Space: space, Key: key}); len(rows) == some {
			if err := a.states.Mutate(ctx, rows...); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	return a.states.Mutate(ctx, rows...)
}
