package dynamoapi

import (
	"slices"

	"headgate/gateway/awsapi"
)

// What expressions took the place of, and the KCL still sends.

// expected is what an attribute must be, in Expected and in filters.
type expected struct {
	Value              *value
	Exists             *bool
	ComparisonOperator string
	AttributeValueList []value
}

// attributeUpdate is what an attribute is to become.
type attributeUpdate struct {
	Value  *value
	Action string
}

// conditions are those of all attributes, or with OR of any.
func conditions(all map[string]expected, operator string) (condition, error) {
	var each []condition
	for name, want := range all {
		c, err := want.condition(name)
		if err != nil {
			return nil, err
		}
		each = append(each, c)
	}
	switch operator {
	case "", "AND":
		return func(it item) bool {
			return !slices.ContainsFunc(each, func(c condition) bool { return !c(it) })
		}, nil
	case "OR":
		return func(it item) bool {
			return len(each) == 0 || slices.ContainsFunc(each, func(c condition) bool { return c(it) })
		}, nil
	}
	return nil, awsapi.Invalid("ConditionalOperator is AND or OR")
}

func (e expected) condition(name string) (condition, error) {
	if e.ComparisonOperator == "" {
		if e.Exists != nil && !*e.Exists || e.Value == nil {
			if e.Value != nil || e.Exists == nil || *e.Exists {
				return nil, awsapi.Invalid("One or more parameter values were invalid: Value must be provided when Exists is true for Attribute: %s", name)
			}
			return func(it item) bool { _, ok := it[name]; return !ok }, nil
		}
		return func(it item) bool { v, ok := it[name]; return ok && v.equal(*e.Value) }, nil
	}
	values := e.AttributeValueList
	if e.Value != nil {
		values = append(slices.Clone(values), *e.Value)
	}
	if want, ok := operands(e.ComparisonOperator); !ok || want != len(values) && (e.ComparisonOperator != "IN" || len(values) == 0) {
		return nil, awsapi.Invalid("One or more parameter values were invalid: Invalid number of argument(s) for the %s ComparisonOperator", e.ComparisonOperator)
	}
	return func(it item) bool {
		v, there := it[name]
		return holds(v, there, e.ComparisonOperator, values)
	}, nil
}

// operands is how many values an operator wants; false: there is no such operator.
func operands(operator string) (n int, ok bool) {
	switch operator {
	case "NULL", "NOT_NULL":
		return 0, true
	case "EQ", "NE", "LT", "LE", "GT", "GE", "CONTAINS", "NOT_CONTAINS", "BEGINS_WITH", "IN":
		return 1, true
	case "BETWEEN":
		return 2, true
	}
	return 0, false
}

// holds is an operator's answer about an attribute.
func holds(v value, there bool, operator string, values []value) bool {
	switch operator {
	case "NULL":
		return !there
	case "NOT_NULL":
		return there
	case "NE":
		return !there || !v.equal(values[0])
	case "NOT_CONTAINS":
		return there && !applies("contains", v, values[0])
	}
	if !there {
		return false
	}
	switch operator {
	case "EQ":
		return v.equal(values[0])
	case "LT":
		return relates(v, "<", values[0])
	case "LE":
		return relates(v, "<=", values[0])
	case "GT":
		return relates(v, ">", values[0])
	case "GE":
		return relates(v, ">=", values[0])
	case "CONTAINS":
		return applies("contains", v, values[0])
	case "BEGINS_WITH":
		return applies("begins_with", v, values[0])
	case "BETWEEN":
		return relates(v, ">=", values[0]) && relates(v, "<=", values[1])
	}
	return slices.ContainsFunc(values, v.equal)
}

// updates is what AttributeUpdates asks for.
func updates(all map[string]attributeUpdate) update {
	return func(_, now item) (_ item, err error) {
		for name, one := range all {
			to := path{step{name: name}}
			switch {
			case one.Action == "DELETE" && one.Value == nil:
				now, err = assign(now, to, nil)
			case one.Value == nil:
				err = awsapi.Invalid("One or more parameter values were invalid: Only DELETE action is allowed when no attribute value is specified")
			case one.Action == "DELETE" || one.Action == "ADD":
				now, err = combine(now, to, *one.Value, one.Action == "ADD")
			default:
				now, err = assign(now, to, one.Value)
			}
			if err != nil {
				return nil, err
			}
		}
		return now, nil
	}
}
