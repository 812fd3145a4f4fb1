package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// TransactWriteItems makes up to 100 changes, all or none.
//
// TransactionCanceledException: a condition does not hold; CancellationReasons
// says which. ResourceNotFoundException, ValidationException.

type transactWriteItemsInput struct {
	TransactItems []struct {
		ConditionCheck *deleteItemInput
		Put            *putItemInput
		Delete         *deleteItemInput
		Update         *updateItemInput
	}
}

type reason struct {
	Code    string
	Message string `json:",omitempty"`
	Item    item   `json:",omitempty"`
}

func (a *API) transactWriteItems(ctx context.Context, _ *awsapi.Call, in *transactWriteItemsInput) (nothing, error) {
	if n := len(in.TransactItems); n < 1 || n > 100 {
		return nothing{}, awsapi.Invalid("A transaction has 1 to 100 items.")
	}
	changes, wishes, taken := []change{}, []*conditional{}, map[string]bool{}
	for _, one := range in.TransactItems {
		var c change
		var wish *conditional
		var err error
		switch {
		case one.Put != nil:
			wish = &one.Put.conditional
			c, err = a.planned(ctx, wish, one.Put.Item, false, func(*table) (func(item) (item, error), error) {
				return func(item) (item, error) { return one.Put.Item, nil }, nil
			})
		case one.Update != nil:
			wish = &one.Update.conditional
			c, err = a.planned(ctx, wish, one.Update.Key, true, one.Update.edit)
		case one.Delete != nil:
			wish = &one.Delete.conditional
			c, err = a.planned(ctx, wish, one.Delete.Key, true, func(*table) (func(item) (item, error), error) {
				return func(item) (item, error) { return nil, nil }, nil
			})
		case one.ConditionCheck != nil:
			wish = &one.ConditionCheck.conditional
			c, err = a.planned(ctx, wish, one.ConditionCheck.Key, true, func(*table) (func(item) (item, error), error) {
				return func(old item) (item, error) { return old, nil }, nil
			})
		default:
			err = awsapi.Invalid("Each item of a transaction is a Put, Update, Delete or ConditionCheck.")
		}
		if err != nil {
			return nothing{}, err
		}
		if taken[c.at] {
			return nothing{}, awsapi.Invalid("Transaction request cannot include multiple operations on one item")
		}
		taken[c.at], changes, wishes = true, append(changes, c), append(wishes, wish)
	}
	made, failed, err := a.apply(ctx, changes...)
	if known, ok := err.(*awsapi.Error); ok && failed >= 0 && known.Code == conditionFailed {
		return nothing{}, canceled(wishes, made, failed, known)
	}
	return nothing{}, err
}

// planned is one change of a transaction.
func (a *API) planned(ctx context.Context, c *conditional, key item, only bool, edit func(*table) (func(item) (item, error), error)) (change, error) {
	t, _, err := a.table(ctx, c.TableName)
	if err != nil {
		return change{}, err
	}
	at := ""
	if only {
		at, err = t.onlyKey(key)
	} else {
		at, err = t.itemKey(key)
	}
	if err != nil {
		return change{}, err
	}
	holds, err := c.condition()
	if err != nil {
		return change{}, err
	}
	next, err := edit(&t)
	return change{at, func(old item) (item, error) {
		if !holds(old) {
			return nil, failedCondition()
		}
		return next(old)
	}}, err
}

// canceled is the answer to a transaction of which one condition did not hold.
func canceled(wishes []*conditional, made []outcome, failed int, why *awsapi.Error) error {
	reasons, codes := make([]reason, len(wishes)), ""
	for i := range reasons {
		reasons[i].Code = "None"
		if i == failed {
			reasons[i] = reason{Code: "ConditionalCheckFailed", Message: why.Message}
			if wishes[i].ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
				reasons[i].Item = made[i].old
			}
		}
		if i > 0 {
			codes += ", "
		}
		codes += reasons[i].Code
	}
	return awsapi.Fail(transactCanceled, "Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", codes).With("CancellationReasons", reasons)
}
