// Package dynamoapi is the part of Amazon DynamoDB that consumers of Kinesis
// keep their leases and checkpoints in (the KCL in all its versions,
// vmware-go-kcl, Redpanda Connect and others): one file per operation. It is
// no database: tables and items are small replicated state, an item at most
// 64 KB, and a table at most 10,000 items and 4 MiB. It does not know how that state is
// replicated, nor how requests travel (package awsapi).
package dynamoapi

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// Config is what an API needs.
type Config struct {
	States shardlog.States
	// Shared reports whether other gateways may change the state, so that what
	// is read here may be behind. Nil: never.
	Shared func() bool
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// API is the subset of DynamoDB. It is safe for concurrent use.
type API struct {
	states shardlog.States
	shared func() bool
	now    func() time.Time
}

// New makes an API.
func New(c Config) (*API, error) {
	if c.States == nil {
		return nil, errors.New("dynamo api: states are needed")
	}
	a := &API{states: c.States, shared: c.Shared, now: c.Now}
	if a.shared == nil {
		a.shared = func() bool { return false }
	}
	if a.now == nil {
		a.now = time.Now
	}
	return a, nil
}

// Service is the API as a door serves it.
func (a *API) Service() awsapi.Service {
	return awsapi.Service{
		Target:  "DynamoDB_20120810",
		Signing: "dynamodb",
		Needs:   a.needs,
		Explain: explain,
		Ops: a.permit(map[string]awsapi.Operation{
			"BatchGetItem":              operation(a.batchGetItem),
			"BatchWriteItem":            operation(a.batchWriteItem),
			"CreateTable":               operation(a.createTable),
			"DeleteItem":                operation(a.deleteItem),
			"DeleteTable":               operation(a.deleteTable),
			"DescribeContinuousBackups": operation(a.describeContinuousBackups),
			"DescribeTable":             operation(a.describeTable),
			"DescribeTimeToLive":        operation(a.describeTimeToLive),
			"GetItem":                   operation(a.getItem),
			"ListTables":                operation(a.listTables),
			"ListTagsOfResource":        operation(a.listTagsOfResource),
			"PutItem":                   operation(a.putItem),
			"Query":                     operation(a.query),
			"Scan":                      operation(a.scan),
			"TagResource":               operation(a.tagResource),
			"TransactWriteItems":        operation(a.transactWriteItems),
			"UpdateContinuousBackups":   operation(a.updateContinuousBackups),
			"UpdateItem":                operation(a.updateItem),
			"UpdateTable":               operation(a.updateTable),
			"UpdateTimeToLive":          operation(a.updateTimeToLive),
		}),
	}
}

// operation reads the request as I describes it and answers what do returns.
// Attributes nest without bound in their types, so that the members are Go's
// and not awsapi's fields.
func operation[I, O any](do func(ctx context.Context, c *awsapi.Call, in *I) (O, error)) awsapi.Operation {
	return awsapi.Operation{Do: func(ctx context.Context, c *awsapi.Call) error {
		if deeper(c.Body, maxNesting) {
			return awsapi.Invalid("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
		}
		in := new(I)
		if err := json.Unmarshal(c.Body, in); err != nil {
			var known *awsapi.Error
			if errors.As(err, &known) {
				return known
			}
			return awsapi.Fail("SerializationException", "The request does not have the members of this operation.")
		}
		out, err := do(ctx, c, in)
		if err != nil {
			return err
		}
		text, err := json.Marshal(out)
		if err != nil {
			return err
		}
		c.Out.JSON(text)
		return nil
	}}
}

// maxNesting is how many brackets of a request may stand open at once: 32
// levels of attributes, three brackets each, and what is around them. Values
// are taken apart level by level, each from its text.
const maxNesting = 110

// deeper reports whether more brackets than most stand open anywhere in JSON.
func deeper(text []byte, most int) bool {
	open, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if open++; open > most {
				return true
			}
		case c == '}' || c == ']':
			open--
		}
	}
	return false
}
