package firehoseapi

import "headgate/gateway/awsapi"

// The members that operations and destinations share, with the constraints of
// the API reference.

func text(name string, rules ...awsapi.Rule) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.String, Rules: rules}
}

func integer(name string, least, most int64) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.Integer, Rules: []awsapi.Rule{awsapi.Least(least), awsapi.Most(most)}}
}

func boolean(name string) awsapi.Field { return awsapi.Field{Name: name, Type: awsapi.Boolean} }

func structure(name string, fields ...awsapi.Field) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.Structure, Fields: fields}
}

func list(name string, of awsapi.Field, rules ...awsapi.Rule) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.List, Of: &of, Rules: rules}
}

// need is a field that must be there, asked first.
func need(f awsapi.Field) awsapi.Field {
	f.Rules = append([]awsapi.Rule{awsapi.NotNull()}, f.Rules...)
	return f
}

func deliveryName() awsapi.Field {
	return need(text("DeliveryStreamName", awsapi.Pattern(`[a-zA-Z0-9_.-]+`), awsapi.Shortest(1), awsapi.Longest(64)))
}

func role(name string) awsapi.Field {
	return text(name, awsapi.Pattern(`arn:.*:iam::\d{12}:role/[a-zA-Z_0-9+=,.@\-_/]+`), awsapi.Shortest(1), awsapi.Longest(512))
}

func tagKey() []awsapi.Rule {
	return []awsapi.Rule{awsapi.Shortest(1), awsapi.Longest(128)}
}

func tagList(rules ...awsapi.Rule) awsapi.Field {
	return list("Tags", structure("", need(text("Key", tagKey()...)), text("Value", awsapi.Longest(256))),
		append(rules, awsapi.Shortest(1), awsapi.Longest(maxTags))...)
}

// maxTags is how many a delivery stream may have.
const maxTags = 50

func encryptionInput(name string) awsapi.Field {
	return structure(name, text("KeyARN"), text("KeyType", awsapi.NotNull(), awsapi.OneOf("AWS_OWNED_CMK", "CUSTOMER_MANAGED_CMK")))
}

// opaque is a member of which only the presence matters.
func opaque(name string) awsapi.Field { return structure(name) }
