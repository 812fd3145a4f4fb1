package videoapi

import "headgate/gateway/awsapi"

// The members that several operations share, with the constraints of the API
// reference.

func text(name string, rules ...awsapi.Rule) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.String, Rules: rules}
}

func integer(name string, rules ...awsapi.Rule) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.Integer, Rules: rules}
}

func timestamp(name string, rules ...awsapi.Rule) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.Timestamp, Rules: rules}
}

func streamName(more ...awsapi.Rule) awsapi.Field {
	return text("StreamName", append(more, awsapi.Pattern(`[a-zA-Z0-9_.-]+`), awsapi.Shortest(1), awsapi.Longest(128))...)
}

func streamARN(more ...awsapi.Rule) awsapi.Field {
	return text("StreamARN", append(more, awsapi.Shortest(1), awsapi.Longest(1024))...)
}

func nextToken() awsapi.Field { return text("NextToken", awsapi.Longest(1024)) }

func version(name string, more ...awsapi.Rule) awsapi.Field {
	return text(name, append(more, awsapi.Pattern(`[a-zA-Z0-9]+`), awsapi.Longest(64))...)
}

// selector is a structure of a kind of times and a range of them; rules are of
// each of its members.
func selector(name, kind, span string, rules ...awsapi.Rule) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.Structure, Fields: []awsapi.Field{
		text(kind, append(rules, awsapi.OneOf(byProducer, byServer))...),
		{Name: span, Type: awsapi.Structure, Rules: rules, Fields: []awsapi.Field{
			timestamp("StartTimestamp", rules...), timestamp("EndTimestamp", rules...)}},
	}}
}
