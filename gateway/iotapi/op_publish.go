package iotapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"headgate/gateway/awsapi"
)

// Publish publishes a message, and answers when it is durable, whatever its
// QoS.
//
// InvalidRequestException, ThrottlingException, UnauthorizedException.

func publishInput() []awsapi.Field {
	return []awsapi.Field{
		text("topic", awsapi.NotNull()), integer("qos", awsapi.Least(0), awsapi.Most(1)), {Name: "retain", Type: awsapi.Boolean},
		text("contentType"), text("responseTopic"), integer("messageExpiry", awsapi.Least(0), awsapi.Most(1<<32-1)),
	}
}

func (a *API) publish(ctx context.Context, c *awsapi.Call) error {
	m := Message{Topic: c.In.Text("topic"), Payload: c.Body, Caller: c.Caller.KeyID, QoS: byte(c.In.Int("qos", 0)), Retain: c.In.Bool("retain"),
		Expiry: uint32(c.In.Int("messageExpiry", 0)), Content: c.In.Text("contentType"), Response: c.In.Text("responseTopic")}
	for _, topic := range []string{m.Topic, m.Response} {
		if len(topic) > maxTopic || strings.ContainsAny(topic, "+#\x00") || !utf8.ValidString(topic) {
			return invalid("Invalid topic")
		}
	}
	switch form := c.Header("x-amz-mqtt5-payload-format-indicator"); form {
	case "", "UNSPECIFIED_BYTES":
	case "UTF8_DATA":
		m.Text = true
	default:
		return invalid("Invalid payload format indicator")
	}
	var err error
	if m.Correlation, err = base64.StdEncoding.DecodeString(c.Header("x-amz-mqtt5-correlation-data")); err != nil {
		return invalid("Invalid correlation data: it must be base64")
	}
	if m.User, err = userProperties(c.Header("x-amz-mqtt5-user-properties")); err != nil {
		return err
	}
	return a.config.Messages.Publish(ctx, m)
}

// maxTopic is the longest topic, in bytes. MQTT has 65,535; AWS takes 256.
const maxTopic = 1024

// userProperties reads them: base64 of a JSON list of objects of one member each.
func userProperties(header string) (all []Property, err error) {
	if header == "" {
		return nil, nil
	}
	var list []map[string]string
	b, err := base64.StdEncoding.DecodeString(header)
	var quoted string
	if json.Unmarshal(b, &quoted) == nil {
		b = []byte(quoted) // botocore makes JSON of the JSON that it is given
	}
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	for _, one := range list {
		for name, value := range one {
			all = append(all, Property{name, value})
		}
		if len(one) != 1 {
			return nil, invalid("Invalid user properties: each object must have one member")
		}
	}
	if err != nil {
		return nil, invalid("Invalid user properties: they must be base64 of a JSON list of objects")
	}
	return all, nil
}
