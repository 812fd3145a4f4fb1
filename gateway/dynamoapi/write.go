package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// conditional are the members that say when a change may be made, and what is
// answered.
type conditional struct {
	names
	TableName                           string
	ConditionExpression                 string
	Expected                            map[string]expected
	ConditionalOperator                 string
	ReturnValues                        string
	ReturnValuesOnConditionCheckFailure string
}

// condition is the request's, in either language.
func (c *conditional) condition() (condition, error) {
	if c.ConditionExpression != "" {
		if len(c.Expected) > 0 {
			return nil, awsapi.Invalid("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}")
		}
		return c.names.condition("ConditionExpression", c.ConditionExpression)
	}
	return conditions(c.Expected, c.ConditionalOperator)
}

// written is what a change of an item answers.
type written struct {
	Attributes item `json:",omitempty"`
}

// write makes one change if its condition holds.
func (a *API) write(ctx context.Context, at string, c *conditional, next func(old item) (item, error)) (outcome, error) {
	holds, err := c.condition()
	if err != nil {
		return outcome{}, err
	}
	made, _, err := a.apply(ctx, change{at, func(old item) (item, error) {
		if !holds(old) {
			return nil, failedCondition()
		}
		return next(old)
	}})
	var known *awsapi.Error
	if len(made) == 0 {
		return outcome{}, err
	}
	if known, _ = err.(*awsapi.Error); known != nil && known.Code == conditionFailed && c.ReturnValuesOnConditionCheckFailure == "ALL_OLD" && made[0].old != nil {
		return outcome{}, known.With("Item", made[0].old)
	}
	return made[0], err
}

// returns is what ReturnValues asks for.
func (c *conditional) returns(o outcome) written {
	switch c.ReturnValues {
	case "ALL_OLD":
		return written{o.old}
	case "ALL_NEW":
		return written{o.new}
	case "UPDATED_OLD":
		return written{differing(o.old, o.new)}
	case "UPDATED_NEW":
		return written{differing(o.new, o.old)}
	}
	return written{}
}

// differing are the attributes of an item that the other has not, or otherwise.
func differing(it, other item) item {
	kept := item{}
	for name, v := range it {
		if o, ok := other[name]; !ok || !v.equal(o) {
			kept[name] = v
		}
	}
	return kept
}
