package cloudwatchapi

import (
	"context"
	"math"
	"strings"

	"headgate/gateway/awsapi"
)

// PutMetricData adds what a client measured to the sums of its series. What
// there is no room for is counted and left out: no client fails for want of
// room for what it says of itself.
//
// InvalidParameterValueException: a number that is none, or a namespace of
// AWS's. InvalidParameterCombinationException: a datum with more than one kind
// of value, or with none. MissingRequiredParameterException.

const (
	invalidValue       = "InvalidParameterValueException"
	invalidCombination = "InvalidParameterCombinationException"
	missingParameter   = "MissingRequiredParameterException"
)

// mostValue is the largest number that CloudWatch takes: 2^360.
const mostValue = 0x1p360

func putMetricDataInput() []awsapi.Field {
	short := []awsapi.Rule{awsapi.NotNull(), awsapi.Shortest(1), awsapi.Longest(255)}
	dimension := awsapi.Field{Type: awsapi.Structure, Fields: []awsapi.Field{
		{Name: "Name", Rules: short}, {Name: "Value", Rules: []awsapi.Rule{awsapi.NotNull(), awsapi.Shortest(1), awsapi.Longest(1024)}},
	}}
	number := awsapi.Field{Type: awsapi.Double}
	set := []awsapi.Rule{awsapi.NotNull()}
	data := awsapi.Field{Name: "MetricData", Type: awsapi.List, Rules: []awsapi.Rule{awsapi.Longest(1000)}, Of: &awsapi.Field{Type: awsapi.Structure, Fields: []awsapi.Field{
		{Name: "MetricName", Rules: short},
		{Name: "Dimensions", Type: awsapi.List, Rules: []awsapi.Rule{awsapi.Longest(30)}, Of: &dimension},
		{Name: "Timestamp", Type: awsapi.Timestamp},
		{Name: "Value", Type: awsapi.Double},
		{Name: "StatisticValues", Type: awsapi.Structure, Fields: []awsapi.Field{
			{Name: "SampleCount", Type: awsapi.Double, Rules: set}, {Name: "Sum", Type: awsapi.Double, Rules: set},
			{Name: "Minimum", Type: awsapi.Double, Rules: set}, {Name: "Maximum", Type: awsapi.Double, Rules: set},
		}},
		{Name: "Values", Type: awsapi.List, Rules: []awsapi.Rule{awsapi.Longest(150)}, Of: &number},
		{Name: "Counts", Type: awsapi.List, Rules: []awsapi.Rule{awsapi.Longest(150)}, Of: &number},
		{Name: "Unit", Rules: []awsapi.Rule{awsapi.Longest(64)}},
		{Name: "StorageResolution", Type: awsapi.Integer, Rules: []awsapi.Rule{awsapi.Least(1)}},
	}}}
	return []awsapi.Field{
		{Name: "Namespace", Rules: []awsapi.Rule{awsapi.NotNull(), awsapi.Shortest(1), awsapi.Longest(255), awsapi.Pattern("[^:].*")}},
		data,
		{Name: "EntityMetricData", Type: awsapi.List, Rules: []awsapi.Rule{awsapi.Longest(2)}, Of: &awsapi.Field{Type: awsapi.Structure, Fields: []awsapi.Field{data}}},
		{Name: "StrictEntityValidation", Type: awsapi.Boolean},
	}
}

func (a *API) putMetricData(_ context.Context, c *awsapi.Call) error {
	namespace, data := c.In.Text("Namespace"), c.In.List("MetricData")
	if strings.HasPrefix(namespace, "AWS/") {
		return awsapi.Fail(invalidValue, "The value %s for parameter Namespace is invalid: AWS/ is AWS's.", namespace)
	}
	for _, entity := range c.In.List("EntityMetricData") {
		of, _ := entity.(awsapi.Input)
		data = append(data, of.List("MetricData")...)
	}
	if len(data) == 0 {
		return awsapi.Fail(missingParameter, "The parameter MetricData is required.")
	}
	type addition struct {
		name Name
		Sums
	}
	all := make([]addition, 0, len(data))
	for _, one := range data {
		in, _ := one.(awsapi.Input)
		sums, err := sumsOf(in)
		if err != nil {
			return err
		}
		all = append(all, addition{nameOf(namespace, in), sums})
	}
	now := a.now()
	for _, one := range all {
		a.series.add(now, one.name, one.Sums)
	}
	return nil
}

// sumsOf is what one datum adds.
func sumsOf(in awsapi.Input) (s Sums, err error) {
	values, set := in.List("Values"), in.Inner("StatisticValues")
	value, single := in.Double("Value")
	kinds := 0
	for _, is := range []bool{single, set != nil, len(values) > 0} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return s, awsapi.Fail(invalidCombination, "%s: one of Value, StatisticValues and Values is required.", in.Text("MetricName"))
	}
	switch {
	case single:
		s.note(value, 1)
	case set != nil:
		s.Count, _ = set.Double("SampleCount")
		s.Sum, _ = set.Double("Sum")
		s.Least, _ = set.Double("Minimum")
		s.Most, _ = set.Double("Maximum")
	default:
		counts := in.List("Counts")
		if len(counts) > 0 && len(counts) != len(values) {
			return s, awsapi.Fail(invalidCombination, "%s: there must be as many Counts as Values.", in.Text("MetricName"))
		}
		for i := range values {
			n := 1.0
			if len(counts) > 0 {
				n, _ = counts[i].(float64)
			}
			v, _ := values[i].(float64)
			s.note(v, n)
		}
	}
	for _, n := range []float64{s.Sum, s.Count, s.Least, s.Most} {
		if math.IsNaN(n) || math.Abs(n) > mostValue {
			return s, awsapi.Fail(invalidValue, "The value of %s is not between -2^360 and 2^360.", in.Text("MetricName"))
		}
	}
	if s.Count < 0 {
		return s, awsapi.Fail(invalidValue, "%s: counts cannot be negative.", in.Text("MetricName"))
	}
	return s, nil
}
