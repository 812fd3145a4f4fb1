package iotapi_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane/types"
	"github.com/aws/smithy-go"

	"headgate/gateway/awsapi"
	"headgate/gateway/iotapi"
	"headgate/ingest"
	"headgate/ingest/shadow"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// board are messages in memory.
type board struct {
	mu       sync.Mutex
	sent     []iotapi.Message           // guarded by mu
	retained map[string]iotapi.Retained // guarded by mu
}

func (b *board) Publish(_ context.Context, m iotapi.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if strings.HasPrefix(m.Topic, "$") {
		return shardlog.Errorf(shardlog.Denied, "publish", "topic")
	}
	m.Payload = bytes.Clone(m.Payload)
	b.sent = append(b.sent, m)
	if m.Retain {
		b.retained[m.Topic] = iotapi.Retained{Topic: m.Topic, Payload: m.Payload, QoS: m.QoS, At: time.Unix(1700000000, 0), User: m.User}
	}
	return nil
}

func (b *board) Retained(_ context.Context, topic string) (iotapi.Retained, error) {
	m, ok := b.retained[topic]
	if !ok {
		return m, shardlog.Errorf(shardlog.NotFound, "get", "nothing")
	}
	return m, nil
}

func (b *board) AllRetained(context.Context) iter.Seq[iotapi.Retained] {
	return func(yield func(iotapi.Retained) bool) {
		for _, topic := range slices.Sorted(maps.Keys(b.retained)) {
			if !yield(b.retained[topic]) {
				return
			}
		}
	}
}

type keys struct{}

func (keys) Secret(id string) (string, bool) { return "secret-of-the-key", id == "AKIDEXAMPLE" }

// rig is the API behind a door, with the SDK's client.
type rig struct {
	*iotdataplane.Client
	board *board
	url   string
	mu    sync.Mutex
	asked []awsapi.Need // guarded by mu
}

func open(t *testing.T) *rig {
	t.Helper()
	log, r := shardlogtest.NewMemory(), &rig{board: &board{retained: map[string]iotapi.Retained{}}}
	shadows, err := shadow.New(shadow.Config{States: log, Announce: func(ctx context.Context, _ string, _ []ingest.Announcement, with ...shardlog.Mutation) error {
		return log.Mutate(ctx, with...)
	}})
	if err != nil {
		t.Fatal(err)
	}
	api, err := iotapi.New(iotapi.Config{Shadows: shadows, Messages: r.board})
	if err != nil {
		t.Fatal(err)
	}
	door, err := awsapi.New(awsapi.Config{Services: []awsapi.Service{api.Service()}, Keys: keys{}, Log: slog.New(slog.DiscardHandler), Authorize: func(ctx context.Context, ask *awsapi.Ask) error {
		needs, err := ask.Needs(ctx)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked = append(r.asked, needs...)
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(door)
	t.Cleanup(server.Close)
	r.url = server.URL
	r.Client = iotdataplane.New(iotdataplane.Options{Region: "eu-central-1", BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret-of-the-key", "")})
	return r
}

func TestShadowsBySDK(t *testing.T) {
	r, ctx := open(t), t.Context()
	thing, name := aws.String("lamp:1"), aws.String("$set:1")
	var missing *types.ResourceNotFoundException
	if _, err := r.GetThingShadow(ctx, &iotdataplane.GetThingShadowInput{ThingName: thing}); !errors.As(err, &missing) || missing.ErrorMessage() != "No shadow exists with name: 'lamp:1'" {
		t.Errorf("%v", err)
	}
	up, err := r.UpdateThingShadow(ctx, &iotdataplane.UpdateThingShadowInput{ThingName: thing, ShadowName: name, Payload: []byte(`{"state":{"desired":{"w":1.50}},"clientToken":"t"}`)})
	if err != nil || !strings.Contains(string(up.Payload), `"state":{"desired":{"w":1.50}}`) || !strings.Contains(string(up.Payload), `"clientToken":"t"`) {
		t.Fatalf("%v %s", err, up.Payload)
	}
	got, err := r.GetThingShadow(ctx, &iotdataplane.GetThingShadowInput{ThingName: thing, ShadowName: name})
	if err != nil || !strings.Contains(string(got.Payload), `"delta":{"w":1.50}`) {
		t.Fatalf("%v", err)
	}
	var conflict *types.ConflictException
	_, err = r.UpdateThingShadow(ctx, &iotdataplane.UpdateThingShadowInput{ThingName: thing, ShadowName: name, Payload: []byte(`{"state":{},"version":7}`)})
	if !errors.As(err, &conflict) || conflict.ErrorMessage() != "Version conflict" {
		t.Errorf("%v", err)
	}
	var wrong *types.InvalidRequestException
	if _, err = r.UpdateThingShadow(ctx, &iotdataplane.UpdateThingShadowInput{ThingName: thing, Payload: []byte(`{`)}); !errors.As(err, &wrong) || wrong.ErrorMessage() != "Invalid JSON" {
		t.Errorf("%v", err)
	}
	var large *types.RequestEntityTooLargeException
	if _, err = r.UpdateThingShadow(ctx, &iotdataplane.UpdateThingShadowInput{ThingName: thing, Payload: []byte(`{"state":{"desired":{"a":"` + strings.Repeat("x", 9000) + `"}}}`)}); !errors.As(err, &large) {
		t.Errorf("%v", err)
	}
	if _, err = r.GetThingShadow(ctx, &iotdataplane.GetThingShadowInput{ThingName: aws.String("a/b")}); !errors.As(err, &wrong) {
		t.Errorf("%v", err)
	}
	if _, err := r.DeleteThingShadow(ctx, &iotdataplane.DeleteThingShadowInput{ThingName: thing, ShadowName: name}); err != nil {
		t.Error(err)
	}
	if _, err := r.DeleteThingShadow(ctx, &iotdataplane.DeleteThingShadowInput{ThingName: thing, ShadowName: name}); !errors.As(err, &missing) {
		t.Errorf("%v", err)
	}
	if want := (awsapi.Need{Action: "iot:UpdateThingShadow", Resource: "arn:aws:iot:eu-central-1:000000000000:thing/lamp:1"}); r.asked[1] != want {
		t.Errorf("asked for %+v", r.asked[1])
	}
}

func TestNamesBySDK(t *testing.T) {
	r, ctx, want := open(t), t.Context(), []string{}
	for i := range 7 {
		name := fmt.Sprint("n", i)
		if _, err := r.UpdateThingShadow(ctx, &iotdataplane.UpdateThingShadowInput{ThingName: aws.String("t"), ShadowName: &name, Payload: []byte(`{"state":{}}`)}); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	if _, err := r.UpdateThingShadow(ctx, &iotdataplane.UpdateThingShadowInput{ThingName: aws.String("t"), Payload: []byte(`{"state":{}}`)}); err != nil {
		t.Fatal(err)
	}
	var got []string
	in := &iotdataplane.ListNamedShadowsForThingInput{ThingName: aws.String("t"), PageSize: aws.Int32(3)}
	for {
		out, err := r.ListNamedShadowsForThing(ctx, in)
		if err != nil || len(out.Results) > 3 || out.Timestamp == 0 {
			t.Fatalf("%v %+v", err, out)
		}
		got = append(got, out.Results...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("names %q", got)
	}
	if out, err := r.ListNamedShadowsForThing(ctx, &iotdataplane.ListNamedShadowsForThingInput{ThingName: aws.String("nobody")}); err != nil || len(out.Results) > 0 {
		t.Errorf("%v %+v", err, out)
	}
}

func TestPublishBySDK(t *testing.T) {
	r, ctx := open(t), t.Context()
	topic := "plant 1/ü//a+"
	var wrong *types.InvalidRequestException
	if _, err := r.Publish(ctx, &iotdataplane.PublishInput{Topic: &topic}); !errors.As(err, &wrong) {
		t.Errorf("%v", err)
	}
	topic = "plant 1/ü//a%2F"
	user := `[{"unit":"C"},{"unit":"K"}]`
	in := &iotdataplane.PublishInput{Topic: &topic, Payload: []byte("{\x00}"), Qos: 1, Retain: true, ContentType: aws.String("text/plain"), ResponseTopic: aws.String("re/1"),
		MessageExpiry: 60, PayloadFormatIndicator: types.PayloadFormatIndicatorUtf8Data, CorrelationData: aws.String(base64.StdEncoding.EncodeToString([]byte("c"))), UserProperties: aws.String(user)}
	if _, err := r.Publish(ctx, in); err != nil {
		t.Fatal(err)
	}
	want := iotapi.Message{Topic: topic, Payload: []byte("{\x00}"), Caller: "AKIDEXAMPLE", QoS: 1, Retain: true, Text: true, Expiry: 60, Content: "text/plain", Response: "re/1",
		Correlation: []byte("c"), User: []iotapi.Property{{Name: "unit", Value: "C"}, {Name: "unit", Value: "K"}}}
	if len(r.board.sent) != 1 || !reflect.DeepEqual(r.board.sent[0], want) {
		t.Errorf("published %+v", r.board.sent)
	}
	if n := len(r.asked); r.asked[n-1].Action != "iot:RetainPublish" || r.asked[n-2].Action != "iot:Publish" || r.asked[n-1].Resource != "arn:aws:iot:eu-central-1:000000000000:topic/"+topic {
		t.Errorf("asked for %+v", r.asked)
	}
	in = &iotdataplane.PublishInput{Topic: aws.String("twice"), UserProperties: aws.String(`"[{\"a\":\"b\"}]"`)}
	if _, err := r.Publish(ctx, in); err != nil || !reflect.DeepEqual(r.board.sent[1].User, []iotapi.Property{{Name: "a", Value: "b"}}) {
		t.Errorf("%v, %+v", err, r.board.sent)
	}
	var denied *types.UnauthorizedException
	if _, err := r.Publish(ctx, &iotdataplane.PublishInput{Topic: aws.String("$SYS/x")}); !errors.As(err, &denied) {
		t.Errorf("%v", err)
	}
	if _, err := r.Publish(ctx, &iotdataplane.PublishInput{Topic: aws.String("x"), Qos: 2}); !errors.As(err, &wrong) {
		t.Errorf("%v", err)
	}
	if _, err := r.Publish(ctx, &iotdataplane.PublishInput{Topic: aws.String("x"), UserProperties: aws.String("{}")}); !errors.As(err, &wrong) {
		t.Errorf("%v", err)
	}
	got, err := r.GetRetainedMessage(ctx, &iotdataplane.GetRetainedMessageInput{Topic: &topic})
	if err != nil || string(got.Payload) != "{\x00}" || got.Qos != 1 || got.LastModifiedTime != 1700000000000 || aws.ToString(got.Topic) != topic {
		t.Fatalf("%v %+v", err, got)
	}
	if string(got.UserProperties) != `[{"unit":"C"},{"unit":"K"}]` {
		t.Errorf("user properties %s", got.UserProperties)
	}
	var missing *types.ResourceNotFoundException
	if _, err := r.GetRetainedMessage(ctx, &iotdataplane.GetRetainedMessageInput{Topic: aws.String("none")}); !errors.As(err, &missing) {
		t.Errorf("%v", err)
	}
	for i := range 4 {
		if _, err := r.Publish(ctx, &iotdataplane.PublishInput{Topic: aws.String(fmt.Sprint("a/", i)), Retain: true, Payload: []byte("12")}); err != nil {
			t.Fatal(err)
		}
	}
	pages := iotdataplane.NewListRetainedMessagesPaginator(r, &iotdataplane.ListRetainedMessagesInput{MaxResults: aws.Int32(2)})
	var topics []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range page.RetainedTopics {
			topics = append(topics, aws.ToString(one.Topic))
		}
	}
	if want := []string{"a/0", "a/1", "a/2", "a/3", topic}; !reflect.DeepEqual(topics, want) {
		t.Errorf("topics %q", topics)
	}
}

// TestStrangers: who has no key, or asks by another method, is told so.
func TestStrangers(t *testing.T) {
	r := open(t)
	other := iotdataplane.New(iotdataplane.Options{Region: "eu-central-1", BaseEndpoint: &r.url, Retryer: aws.NopRetryer{}, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "wrong", "")})
	var known smithy.APIError
	if _, err := other.GetThingShadow(t.Context(), &iotdataplane.GetThingShadowInput{ThingName: aws.String("t")}); !errors.As(err, &known) || known.ErrorCode() != "InvalidSignatureException" {
		t.Errorf("%v", err)
	}
	for method, want := range map[string]int{http.MethodGet: http.StatusForbidden, http.MethodPut: http.StatusMethodNotAllowed} {
		ask, err := http.NewRequestWithContext(t.Context(), method, r.url+"/things/t/shadow", nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := http.DefaultClient.Do(ask)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != want {
			t.Errorf("%s: %d, want %d", method, got.StatusCode, want)
		}
	}
}
