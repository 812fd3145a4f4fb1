package dynamoapi

import (
	"context"
	"strings"

	"headgate/gateway/awsapi"
)

// ListTables lists tables by name, 100 a page.

type listTablesInput struct {
	ExclusiveStartTableName string
	Limit                   int
}

type listTablesOutput struct {
	TableNames             []string
	LastEvaluatedTableName string `json:",omitempty"`
}

func (a *API) listTables(ctx context.Context, _ *awsapi.Call, in *listTablesInput) (out listTablesOutput, err error) {
	most := 100
	if in.Limit > 0 {
		most = min(most, in.Limit)
	}
	out.TableNames = []string{}
	for key := range a.states.List(ctx, space, tableKey("")) {
		name := strings.TrimPrefix(key, tableKey(""))
		if name <= in.ExclusiveStartTableName {
			continue
		}
		if len(out.TableNames) == most {
			out.LastEvaluatedTableName = out.TableNames[most-1]
			break
		}
		out.TableNames = append(out.TableNames, name)
	}
	return out, nil
}
