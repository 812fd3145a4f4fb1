package dynamoapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// CreateTable makes a table, ACTIVE when it answers.
//
// ResourceInUseException: there is one. LimitExceededException: 64 tables.
// ValidationException.

type createTableInput struct {
	TableName                 string
	KeySchema                 []keyElement
	AttributeDefinitions      []definition
	GlobalSecondaryIndexes    []index
	LocalSecondaryIndexes     []index
	ProvisionedThroughput     *throughput
	BillingMode               string
	Tags                      []tag
	DeletionProtectionEnabled bool
}

type tableOutput struct{ TableDescription description }

func (a *API) createTable(ctx context.Context, c *awsapi.Call, in *createTableInput) (out tableOutput, err error) {
	name, err := tableName(in.TableName)
	if err != nil {
		return out, err
	}
	t := table{Name: name, ID: newID(), Schema: in.KeySchema, Definitions: in.AttributeDefinitions, Indexes: in.GlobalSecondaryIndexes, Local: in.LocalSecondaryIndexes,
		Billing: in.BillingMode, Created: a.now().Unix(), Tags: in.Tags, Protected: in.DeletionProtectionEnabled}
	if in.ProvisionedThroughput != nil {
		t.Throughput = *in.ProvisionedThroughput
	}
	if err := t.check(); err != nil {
		return out, err
	}
	n := 0
	for range a.states.List(ctx, space, tableKey("")) {
		n++
	}
	if n >= maxTables {
		return out, awsapi.Fail(limitExceeded, "There are %d tables, which is the most this gateway keeps.", n)
	}
	text, err := json.Marshal(t)
	if err != nil {
		return out, err
	}
	err = a.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: tableKey(name), Value: text, Expect: shardlog.Absent()})
	if shardlog.KindOf(err) == shardlog.Conflict {
		return out, awsapi.Fail(resourceInUse, "Table already exists: %s", name)
	}
	if err != nil {
		return out, err
	}
	out.TableDescription = a.describe(ctx, t, c.Caller.Region, "ACTIVE")
	return out, nil
}

// newID is a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// check refuses keys that no item could have.
func (t *table) check() error {
	all := []index{{KeySchema: t.Schema}}
	for _, each := range append(append(all, t.Indexes...), t.Local...) {
		hash, ranged := hashAndRange(each.KeySchema)
		if n := len(each.KeySchema); n < 1 || n > 2 || hash == "" || n == 2 && ranged == "" {
			return awsapi.Invalid("One or more parameter values were invalid: a key schema has a HASH key, and may have a RANGE key")
		}
		for _, k := range each.KeySchema {
			if kind := t.typeOf(k.AttributeName); kind != "S" && kind != "N" && kind != "B" {
				return awsapi.Invalid("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [%s]", k.AttributeName)
			}
		}
	}
	if len(t.Indexes) > 20 || len(t.Local) > 5 || len(t.Tags) > 50 {
		return awsapi.Fail(limitExceeded, "A table has at most 20 global and 5 local indexes, and 50 tags.")
	}
	return nil
}
