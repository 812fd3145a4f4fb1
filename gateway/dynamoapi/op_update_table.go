package dynamoapi

import (
	"context"
	"slices"

	"headgate/gateway/awsapi"
)

// UpdateTable adds and removes global indexes, and notes capacity and
// protection. An index is ACTIVE when it answers: queries look at the items.
//
// ResourceNotFoundException, ValidationException.

type updateTableInput struct {
	TableName                   string
	AttributeDefinitions        []definition
	BillingMode                 string
	ProvisionedThroughput       *throughput
	DeletionProtectionEnabled   *bool
	GlobalSecondaryIndexUpdates []struct {
		Create *index
		Delete *struct{ IndexName string }
		Update *struct {
			IndexName             string
			ProvisionedThroughput throughput
		}
	}
}

func (a *API) updateTable(ctx context.Context, c *awsapi.Call, in *updateTableInput) (out tableOutput, err error) {
	t, err := a.change(ctx, in.TableName, func(t *table) error {
		for _, d := range in.AttributeDefinitions {
			if t.typeOf(d.AttributeName) == "" {
				t.Definitions = append(t.Definitions, d)
			}
		}
		if in.BillingMode != "" {
			t.Billing = in.BillingMode
		}
		if in.ProvisionedThroughput != nil {
			t.Throughput = *in.ProvisionedThroughput
		}
		if in.DeletionProtectionEnabled != nil {
			t.Protected = *in.DeletionProtectionEnabled
		}
		for _, u := range in.GlobalSecondaryIndexUpdates {
			named := func(name string) func(index) bool { return func(i index) bool { return i.IndexName == name } }
			switch {
			case u.Create != nil && slices.ContainsFunc(t.Indexes, named(u.Create.IndexName)):
				return awsapi.Invalid("Attempting to create an index which already exists")
			case u.Create != nil:
				t.Indexes = append(t.Indexes, *u.Create)
			case u.Delete != nil && !slices.ContainsFunc(t.Indexes, named(u.Delete.IndexName)):
				return awsapi.Fail(resourceNotFound, "Requested resource not found")
			case u.Delete != nil:
				t.Indexes = slices.DeleteFunc(t.Indexes, named(u.Delete.IndexName))
			case u.Update != nil:
				if i := slices.IndexFunc(t.Indexes, named(u.Update.IndexName)); i >= 0 {
					t.Indexes[i].ProvisionedThroughput = &u.Update.ProvisionedThroughput
				}
			}
		}
		return t.check()
	})
	if err != nil {
		return out, err
	}
	out.TableDescription = a.describe(ctx, t, c.Caller.Region, "ACTIVE")
	return out, nil
}
