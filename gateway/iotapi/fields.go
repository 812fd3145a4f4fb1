package iotapi

import (
	"encoding/base64"

	"headgate/gateway/awsapi"
)

// The members that several operations share, with the constraints of the API
// reference.

func text(name string, rules ...awsapi.Rule) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.String, Rules: rules}
}

func integer(name string, rules ...awsapi.Rule) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.Integer, Rules: rules}
}

func thingName() awsapi.Field {
	return text("thingName", awsapi.NotNull(), awsapi.Pattern(`[a-zA-Z0-9:_-]+`), awsapi.Shortest(1), awsapi.Longest(128))
}

func shadowInput() []awsapi.Field {
	return []awsapi.Field{thingName(), text("name", awsapi.Pattern(`[$a-zA-Z0-9:_-]+`), awsapi.Shortest(1), awsapi.Longest(64))}
}

// nextToken is the token of a page that goes on behind a name.
func nextToken(after string) string { return base64.RawURLEncoding.EncodeToString([]byte(after)) }

// openToken is the name in a token; "" without one. The error is an InvalidRequestException.
func openToken(c *awsapi.Call) (string, error) {
	after, err := base64.RawURLEncoding.DecodeString(c.In.Text("nextToken"))
	if err != nil {
		return "", invalid("Invalid nextToken")
	}
	return string(after), nil
}
