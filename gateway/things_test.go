package gateway_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane/types"

	"headgate/gateway"
	"headgate/shardlog"
)

func things(api, key, secret string) *iotdataplane.Client {
	url := "http://" + api
	return iotdataplane.New(iotdataplane.Options{Region: "eu-central-1", BaseEndpoint: &url, Retryer: aws.NopRetryer{}, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
}

// TestShadowsThroughTheGateway: what the API, the socket and Publish change is
// one shadow, and each change is announced in the gateway's own stream.
func TestShadowsThroughTheGateway(t *testing.T) {
	data, ctx := filepath.Join(t.TempDir(), "data"), t.Context()
	g, stop := start(t, data, func(c *gateway.Config) { c.Open = true })
	sdk, socket := things(g.Addresses().API, "x", "y"), gateway.Dial(data)
	thing, name := aws.String("lamp"), "settings"
	if _, err := sdk.UpdateThingShadow(ctx, &iotdataplane.UpdateThingShadowInput{ThingName: thing, ShadowName: &name, Payload: []byte(`{"state":{"desired":{"on":true}}}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := socket.UpdateShadow(ctx, "lamp", name, json.RawMessage(`{"state":{"reported":{"on":false}}}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := sdk.Publish(ctx, &iotdataplane.PublishInput{Topic: aws.String("$aws/things/lamp/shadow/name/settings/update"), Payload: []byte(`{"state":{"reported":{"on":true}},"version":1}`)}); err != nil {
		t.Fatal(err) // rejected, and that is announced
	}
	stop()
	g, _ = start(t, data, func(c *gateway.Config) { c.Open = true })
	sdk = things(g.Addresses().API, "x", "y")
	got, err := sdk.GetThingShadow(ctx, &iotdataplane.GetThingShadowInput{ThingName: thing, ShadowName: &name})
	if err != nil || !strings.Contains(string(got.Payload), `"delta":{"on":true},"desired":{"on":true},"reported":{"on":false}`) || !strings.Contains(string(got.Payload), `"version":2`) {
		t.Fatalf("%v %+v", err, got)
	}
	var missing *types.ResourceNotFoundException
	if _, err := sdk.GetThingShadow(ctx, &iotdataplane.GetThingShadowInput{ThingName: thing}); !errors.As(err, &missing) {
		t.Errorf("the classic one: %v", err)
	}
	if names, err := socket.Shadows(ctx, "lamp"); err != nil || len(names) != 1 || names[0] != name {
		t.Errorf("%q, %v", names, err)
	}
	if _, err := socket.Shadow(ctx, "lamp", ""); shardlog.KindOf(err) != shardlog.NotFound {
		t.Errorf("by the socket: %v", err)
	}
	if _, err := socket.DeleteShadow(ctx, "lamp", name); err != nil {
		t.Error(err)
	}
	var told []string
	err = socket.Tail(ctx, gateway.TailQuery{Stream: "_things", From: "trim-horizon"}, func(r gateway.TailRecord) error {
		if r.Key != "lamp" {
			t.Errorf("key %s", r.Key)
		}
		told = append(told, kindOf(string(r.Data)))
		return nil
	})
	want := "accepted delta documents accepted delta documents rejected deleted"
	if strings.Join(told, " ") != want || err != nil {
		t.Errorf("announced %q, %v", told, err)
	}
	if s := g.Status().Shadows; s.Gets != 3 || s.Deletes != 1 {
		t.Errorf("stats %+v", s)
	}
}

// kindOf is what an announcement is, by what it holds.
func kindOf(payload string) string {
	for _, one := range [][2]string{{"documents", `{"current":`}, {"rejected", `{"code":`}, {"accepted", `"state":{"desired":`}, {"accepted", `"state":{"reported":`}} {
		if strings.Contains(payload, one[1]) {
			return one[0]
		}
	}
	if strings.HasPrefix(payload, `{"timestamp":`) {
		return "deleted"
	}
	return "delta"
}

// TestPoliciesOfThings: a key may do with a thing what its policy says.
func TestPoliciesOfThings(t *testing.T) {
	x, ctx := guard(t), t.Context()
	arn := "arn:aws:iot:eu-central-1:000000000000:"
	x.may(statement("Allow", "iot:UpdateThingShadow", arn+"thing/lamp", ""), statement("Allow", "iot:Publish", arn+"topic/cmd/*", ""), statement("Allow", "iot:RetainPublish", arn+"topic/cmd/kept", ""))
	sdk := things(strings.TrimPrefix(x.url, "http://"), x.press.ID, x.press.Secret)
	update := func(thing string) error {
		_, err := sdk.UpdateThingShadow(ctx, &iotdataplane.UpdateThingShadowInput{ThingName: &thing, Payload: []byte(`{"state":{}}`)})
		return err
	}
	get := func(thing string) error {
		_, err := sdk.GetThingShadow(ctx, &iotdataplane.GetThingShadowInput{ThingName: &thing})
		return err
	}
	publish := func(topic string, retain bool) error {
		_, err := sdk.Publish(ctx, &iotdataplane.PublishInput{Topic: &topic, Retain: retain, Payload: []byte("x")})
		return err
	}
	for name, c := range map[string]struct {
		err    error
		denied bool
	}{
		"update": {update("lamp"), false}, "another thing": {update("lamps"), true}, "get": {get("lamp"), true},
		"publish": {publish("cmd/a", false), false}, "another topic": {publish("tele/a", false), true},
		"retain": {publish("cmd/kept", true), false}, "retain without leave": {publish("cmd/a", true), true},
		"a shadow's topic": {publish("$aws/things/lamp/shadow/update", false), true},
	} {
		if isDenied(c.err) != c.denied || !c.denied && c.err != nil {
			t.Errorf("%s: %v", name, c.err)
		}
	}
}

// TestPublishReachesDevices: a message by HTTP is one by MQTT.
func TestPublishReachesDevices(t *testing.T) {
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) { c.Open = true })
	sdk, came := things(g.Addresses().API, "x", "y"), make(chan paho.Message, 8)
	device := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + g.Addresses().MQTT).SetClientID("lamp"))
	if token := device.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	defer device.Disconnect(0)
	if token := device.Subscribe("cmd/#", 1, func(_ paho.Client, m paho.Message) { came <- m }); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	for _, retain := range []bool{false, true} {
		in := &iotdataplane.PublishInput{Topic: aws.String("cmd/lamp/on"), Payload: []byte("now"), Qos: 1, Retain: retain}
		if _, err := sdk.Publish(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-came:
			if m.Topic() != "cmd/lamp/on" || string(m.Payload()) != "now" || m.Qos() != 1 {
				t.Errorf("%s %s %d", m.Topic(), m.Payload(), m.Qos())
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no message came")
		}
	}
	got, err := sdk.GetRetainedMessage(t.Context(), &iotdataplane.GetRetainedMessageInput{Topic: aws.String("cmd/lamp/on")})
	if err != nil || string(got.Payload) != "now" || got.Qos != 1 {
		t.Errorf("%v %+v", err, got)
	}
	all, err := sdk.ListRetainedMessages(t.Context(), &iotdataplane.ListRetainedMessagesInput{})
	if err != nil || len(all.RetainedTopics) != 1 || all.RetainedTopics[0].PayloadSize != 3 {
		t.Errorf("%v %+v", err, all)
	}
	var denied *types.UnauthorizedException
	for _, topic := range []string{"$SYS/x", "$aws/things/lamp/shadow/update/accepted"} {
		if _, err := sdk.Publish(t.Context(), &iotdataplane.PublishInput{Topic: &topic}); !errors.As(err, &denied) {
			t.Errorf("%s: %v", topic, err)
		}
	}
}

// TestThingsByCLI asks by the AWS CLI.
func TestThingsByCLI(t *testing.T) {
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) { c.Open = true })
	ask := func(args ...string) string {
		t.Helper()
		out, err := python(t, "aws", append([]string{"--endpoint-url", "http://" + g.Addresses().API, "iot-data"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
		return string(out)
	}
	file := filepath.Join(t.TempDir(), "out.json")
	ask("update-thing-shadow", "--thing-name", "lamp", "--shadow-name", "s", "--payload", `{"state":{"desired":{"on":true}}}`, file)
	ask("get-thing-shadow", "--thing-name", "lamp", "--shadow-name", "s", file)
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), `"delta":{"on":true}`) {
		t.Errorf("%v: %s", err, b)
	}
	if out := ask("list-named-shadows-for-thing", "--thing-name", "lamp"); !strings.Contains(out, `"s"`) {
		t.Errorf("names: %s", out)
	}
	ask("publish", "--topic", "a/b c/ü", "--qos", "1", "--retain", "--payload", "hi")
	if out := ask("get-retained-message", "--topic", "a/b c/ü"); !strings.Contains(out, `"aGk="`) {
		t.Errorf("retained: %s", out)
	}
	ask("delete-thing-shadow", "--thing-name", "lamp", "--shadow-name", "s", file)
}
