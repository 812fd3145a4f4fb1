package dynamoapi

import (
	"context"
	"encoding/json"
	"strings"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// space holds the tables, a row each, and their items.
const space shardlog.Space = "dynamo"

// Bounds of what is kept.
const (
	maxTables = 64
	maxItems  = 10_000  // of a table
	maxBytes  = 4 << 20 // of a table's items
)

// keyElement, definition, throughput and index are parts of a table's
// description as the protocol has them.
type keyElement struct{ AttributeName, KeyType string }

type definition struct{ AttributeName, AttributeType string }

type throughput struct{ ReadCapacityUnits, WriteCapacityUnits int64 }

type index struct {
	IndexName             string
	KeySchema             []keyElement
	Projection            json.RawMessage `json:",omitempty"`
	ProvisionedThroughput *throughput     `json:",omitempty"`
	IndexStatus           string          `json:",omitempty"`
}

type tag struct{ Key, Value string }

// table is what is kept of one.
type table struct {
	Name        string
	ID          string // of this table, and no other of its name: its items lie under it
	Schema      []keyElement
	Definitions []definition
	Indexes     []index `json:",omitempty"`
	Local       []index `json:",omitempty"`
	Throughput  throughput
	Billing     string
	Created     int64 // Unix seconds
	Tags        []tag `json:",omitempty"`
	Protected   bool  `json:",omitempty"`
	Backups     bool  `json:",omitempty"`
	TTL         string
}

func tableKey(name string) string { return "table/" + name }

// tableName is a table's name, which may be given as its ARN.
func tableName(text string) (string, error) {
	if _, after, ok := strings.Cut(text, ":table/"); ok && strings.HasPrefix(text, "arn:") {
		text = after
	}
	other := strings.IndexFunc(text, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_.-", c))
	})
	if len(text) < 3 || len(text) > 255 || other >= 0 {
		return "", awsapi.Invalid("Invalid table/index name. Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'")
	}
	return text, nil
}

// table is the table of a name.
func (a *API) table(ctx context.Context, text string) (t table, v shardlog.Version, err error) {
	name, err := tableName(text)
	if err != nil {
		return t, 0, err
	}
	raw, v, err := a.states.Get(ctx, space, tableKey(name))
	if shardlog.KindOf(err) == shardlog.NotFound {
		return t, 0, awsapi.Fail(resourceNotFound, "Requested resource not found: Table: %s not found", name)
	}
	if err != nil {
		return t, 0, err
	}
	if err := json.Unmarshal(raw, &t); err != nil {
		return t, 0, shardlog.Errorf(shardlog.Corrupt, "read table", "%w", err)
	}
	return t, v, nil
}

// change changes a table's row.
func (a *API) change(ctx context.Context, name string, edit func(*table) error) (table, error) {
	for try := 0; ; try++ {
		t, version, err := a.table(ctx, name)
		if err != nil {
			return t, err
		}
		if err := edit(&t); err != nil {
			return t, err
		}
		text, err := json.Marshal(t)
		if err != nil {
			return t, err
		}
		err = a.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: tableKey(t.Name), Value: text, Expect: shardlog.At(version)})
		if again, err := a.again(ctx, err, try); !again {
			return t, err
		}
	}
}

// hashAndRange are the names of the attributes that a schema says are the key.
func hashAndRange(schema []keyElement) (hash, ranged string) {
	for _, k := range schema {
		if k.KeyType == "HASH" {
			hash = k.AttributeName
		} else {
			ranged = k.AttributeName
		}
	}
	return hash, ranged
}

// typeOf is the type that an attribute of a key must have.
func (t *table) typeOf(attribute string) string {
	for _, d := range t.Definitions {
		if d.AttributeName == attribute {
			return d.AttributeType
		}
	}
	return ""
}

// schemaOf is the key of the table, or of one of its indexes.
func (t *table) schemaOf(indexName string) ([]keyElement, error) {
	if indexName == "" {
		return t.Schema, nil
	}
	for _, all := range [][]index{t.Indexes, t.Local} {
		for _, one := range all {
			if one.IndexName == indexName {
				return one.KeySchema, nil
			}
		}
	}
	return nil, awsapi.Invalid("The table does not have the specified index: %s", indexName)
}

func (t *table) arn(region string) string {
	return "arn:aws:dynamodb:" + region + ":" + awsapi.Account + ":table/" + t.Name
}

// description is a table as the operations answer it.
type description struct {
	TableName                 string
	TableArn                  string
	TableId                   string
	TableStatus               string
	CreationDateTime          int64
	KeySchema                 []keyElement
	AttributeDefinitions      []definition
	ItemCount, TableSizeBytes int64
	ProvisionedThroughput     throughput
	BillingModeSummary        *struct{ BillingMode string } `json:",omitempty"`
	GlobalSecondaryIndexes    []index                       `json:",omitempty"`
	LocalSecondaryIndexes     []index                       `json:",omitempty"`
	DeletionProtectionEnabled bool
}

// describe describes a table with what is in it.
func (a *API) describe(ctx context.Context, t table, region, status string) description {
	d := description{TableName: t.Name, TableArn: t.arn(region), TableId: t.ID, TableStatus: status, CreationDateTime: t.Created, KeySchema: t.Schema,
		AttributeDefinitions: t.Definitions, ProvisionedThroughput: t.Throughput, DeletionProtectionEnabled: t.Protected}
	if t.Billing == payPerRequest {
		d.BillingModeSummary = &struct{ BillingMode string }{t.Billing}
	}
	for _, one := range t.Indexes {
		one.IndexStatus = "ACTIVE"
		if one.ProvisionedThroughput == nil {
			one.ProvisionedThroughput = &throughput{}
		}
		d.GlobalSecondaryIndexes = append(d.GlobalSecondaryIndexes, one)
	}
	d.LocalSecondaryIndexes = t.Local
	for _, text := range a.states.List(ctx, space, itemPrefix(t.ID)) {
		d.ItemCount++
		d.TableSizeBytes += int64(len(text))
	}
	return d
}

const payPerRequest = "PAY_PER_REQUEST"
