package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"headgate/gateway"
)

// guarded is a gateway that runs, with a stream orders, its consumer and a key
// named press whose policy tests set. The owner may do everything.
type guarded struct {
	t         *testing.T
	data, url string
	owner     *kinesis.Client
	press     gateway.KeyMade
	stream    string // its ARN
	consumer  string // its ARN
	iterator  string
}

func guard(t *testing.T) *guarded {
	t.Helper()
	data := t.TempDir()
	g, _ := start(t, data, nil)
	pair := g.FirstKey()
	x := &guarded{t: t, data: data, url: "http://" + g.Addresses().API, owner: client(g, pair.ID, pair.Secret)}
	ctx := t.Context()
	if _, err := x.owner.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("orders"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	described, err := x.owner.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	x.stream = *described.StreamDescriptionSummary.StreamARN
	made, err := x.owner.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: &x.stream, ConsumerName: aws.String("reader")})
	if err != nil {
		t.Fatal(err)
	}
	x.consumer = *made.Consumer.ConsumerARN
	at, err := x.owner.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String("orders"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	x.iterator = *at.ShardIterator
	x.press = x.change(gateway.KeyChange{Do: gateway.KeyCreate, Name: "press"})
	return x
}

func (x *guarded) change(c gateway.KeyChange) gateway.KeyMade {
	x.t.Helper()
	made, err := gateway.ChangeKeys(x.t.Context(), x.data, c)
	if err != nil {
		x.t.Fatal(err)
	}
	return made
}

// may gives the key a policy of these statements.
func (x *guarded) may(statements ...string) {
	x.t.Helper()
	x.change(gateway.KeyChange{Do: gateway.KeySetPolicy, Key: "press", Policy: document(statements...)})
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func statement(effect, action, resource, more string) string {
	return fmt.Sprintf(`{"Effect":%q,"Action":%q,"Resource":%q%s}`, effect, action, resource, more)
}

func (x *guarded) credentials(key gateway.KeyMade) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, nil
	})
}

// client is an SDK with a key, in some region.
func (x *guarded) client(key gateway.KeyMade, region string) *kinesis.Client {
	return kinesis.New(kinesis.Options{BaseEndpoint: &x.url, Region: region, Credentials: x.credentials(key), RetryMaxAttempts: 1})
}

func isDenied(err error) bool {
	var e smithy.APIError
	return errors.As(err, &e) && e.ErrorCode() == "AccessDeniedException"
}

// calls are all operations of an SDK's client that are answered here, with a
// request of the members that are known by name.
func (x *guarded) calls(client any, members map[string]any) map[string]func() error {
	all, v := map[string]func() error{}, reflect.ValueOf(client)
	for i := range v.NumMethod() {
		name, method := v.Type().Method(i).Name, v.Method(i)
		if method.Type().NumIn() != 3 || !strings.HasSuffix(method.Type().In(1).String(), "."+name+"Input") {
			continue
		}
		in := reflect.New(method.Type().In(1).Elem())
		for j := range in.Elem().NumField() {
			field := in.Elem().Type().Field(j)
			value, known := members[name+"."+field.Name]
			if !known {
				value, known = members[field.Name]
			}
			if known && value != nil && reflect.TypeOf(value).AssignableTo(field.Type) {
				in.Elem().Field(j).Set(reflect.ValueOf(value))
			}
		}
		all[name] = func() error {
			ctx, cancel := context.WithTimeout(x.t.Context(), 10*time.Second)
			defer cancel()
			out := method.Call([]reflect.Value{reflect.ValueOf(ctx), in})
			err, _ := out[1].Interface().(error)
			if s, ok := out[0].Interface().(*kinesis.SubscribeToShardOutput); ok && err == nil {
				err = s.GetStream().Close()
			}
			return err
		}
	}
	return all
}

// kinesisCalls are the operations of Kinesis.
func (x *guarded) kinesisCalls(k *kinesis.Client) map[string]func() error {
	now := time.Now()
	return x.calls(k, map[string]any{
		"StreamARN": &x.stream, "CreateStream.StreamName": aws.String("other"), "ShardCount": aws.Int32(1), "ConsumerARN": &x.consumer,
		"DeregisterStreamConsumer.StreamARN": nil, "DescribeStreamConsumer.StreamARN": nil, "RegisterStreamConsumer.ConsumerName": aws.String("second"),
		"ResourceARN": &x.stream, "Policy": aws.String(document(statement("Allow", "kinesis:Put*", x.stream, `,"Principal":"*"`))),
		"Tags": map[string]string{"a": "b"}, "TagKeys": []string{"a"}, "RetentionPeriodHours": aws.Int32(48), "DecreaseStreamRetentionPeriod.RetentionPeriodHours": aws.Int32(24),
		"ShardId": aws.String("shardId-000000000000"), "ShardIteratorType": types.ShardIteratorTypeLatest, "ShardIterator": &x.iterator,
		"ShardLevelMetrics": []types.MetricsName{types.MetricsNameAll}, "ShardToMerge": aws.String("shardId-000000000000"), "AdjacentShardToMerge": aws.String("shardId-000000000001"),
		"NewStartingHashKey": aws.String("170141183460469231731687303715884105728"), "PartitionKey": aws.String("k"), "Data": []byte("x"),
		"Records": []types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte("x")}}, "StartingPosition": &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
		"EncryptionType": types.EncryptionTypeKms, "KeyId": aws.String("alias/aws/kinesis"), "TargetShardCount": aws.Int32(2), "ScalingType": types.ScalingTypeUniformScaling,
		"StreamModeDetails": &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}, "CreateStream.StreamModeDetails": nil, "CreateStream.RecordDistributionStrategy": nil, "UpdateStreamMode.WarmThroughputMiBps": nil, "MaxRecordSizeInKiB": aws.Int32(2048),
		"WarmThroughputMiBps": aws.Int32(10), "CreateStream.WarmThroughputMiBps": nil, "CreateStream.Tags": nil, "StreamCreationTimestamp": &now,
		"MinimumThroughputBillingCommitment": &types.MinimumThroughputBillingCommitmentInput{Status: types.MinimumThroughputBillingCommitmentInputStatusDisabled},
		"ListShards.ShardId":                 nil,
		"ShardToSplit":                       aws.String("shardId-000000000000"),
		"RecordDistributionStrategy":         types.RecordDistributionStrategyAuto,
		"ChannelName":                        aws.String("outlet"),
		"ChannelARN":                         aws.String("arn:aws:kinesis:eu-central-1:000000000000:channel/outlet"),
		"ServiceExecutionRoleARN":            aws.String("arn:aws:iam::000000000000:role/any"),
		"StreamConfigurationList":            []types.ChannelStreamConfiguration{{StreamARN: &x.stream, RecordConfiguration: &types.RecordConfiguration{RecordFormatType: types.RecordFormatTypeJson}}},
	})
}

// Every operation asks for leave, by its own name.
func TestEveryOperationNeedsLeave(t *testing.T) {
	x := guard(t)
	calls := x.kinesisCalls(x.client(x.press, "eu-central-1"))
	if len(calls) < 39 {
		t.Fatalf("the SDK has %d operations only", len(calls))
	}
	x.may(statement("Allow", "kinesis:NoSuchOperation", "*", ""))
	for name, call := range calls {
		if err := call(); !isDenied(err) {
			t.Errorf("%s without leave: %v", name, err)
		}
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range calls {
			if !yield(name) {
				return
			}
		}
	})
	last := []string{"DeregisterStreamConsumer", "DeleteStream"} // the others need what these delete
	for _, name := range slices.Concat(slices.DeleteFunc(names, func(n string) bool { return slices.Contains(last, n) }), last) {
		may := []string{statement("Allow", "kinesis:"+name, "*", "")}
		if name == "CreateChannel" { // who makes one reads its stream
			may = append(may, statement("Allow", "kinesis:GetRecords", x.stream, ""))
		}
		x.may(may...)
		if err := calls[name](); isDenied(err) {
			t.Errorf("%s with leave: %v", name, err)
		} else if err != nil {
			t.Logf("%s: %v", name, err)
		}
	}
	x.may(statement("Allow", "kinesis:*", "*", ""))
	credentials := x.credentials(x.press)
	d := x.calls(dynamodb.New(dynamodb.Options{BaseEndpoint: &x.url, Region: "eu-central-1", Credentials: credentials, RetryMaxAttempts: 1}), map[string]any{"TableName": aws.String("leases")})
	f := x.calls(firehose.New(firehose.Options{BaseEndpoint: &x.url, Region: "eu-central-1", Credentials: credentials, RetryMaxAttempts: 1}), map[string]any{"DeliveryStreamName": aws.String("out")})
	for _, of := range []struct {
		calls map[string]func() error
		name  string
	}{{d, "ListTables"}, {d, "DescribeTable"}, {d, "DeleteTable"}, {f, "ListDeliveryStreams"}, {f, "DescribeDeliveryStream"}, {f, "DeleteDeliveryStream"}} {
		if err := of.calls[of.name](); !isDenied(err) {
			t.Errorf("%s without leave: %v", of.name, err)
		}
	}
}

func TestPoliciesOfKeys(t *testing.T) {
	x := guard(t)
	for _, c := range []struct {
		name   string
		policy []string
		denied bool
	}{
		{"its stream", []string{statement("Allow", "kinesis:PutRecord", x.stream, "")}, false},
		{"a pattern", []string{statement("Allow", "kinesis:Put*", "arn:aws:kinesis:*:*:stream/ord*", "")}, false},
		{"another stream", []string{statement("Allow", "kinesis:*", "arn:aws:kinesis:*:*:stream/press-*", "")}, true},
		{"another operation", []string{statement("Allow", "kinesis:Get*", "*", "")}, true},
		{"deny over allow", []string{statement("Allow", "*", "*", ""), statement("Deny", "kinesis:PutRecord", x.stream, "")}, true},
		{"deny of another stream", []string{statement("Allow", "*", "*", ""), statement("Deny", "kinesis:*", x.stream+"2", "")}, false},
		{"this network", []string{statement("Allow", "kinesis:*", "*", `,"Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","127.0.0.0/8"]}}`)}, false},
		{"another network", []string{statement("Allow", "kinesis:*", "*", `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`)}, true},
		{"never without TLS", []string{statement("Allow", "*", "*", ""), statement("Deny", "*", "*", `,"Condition":{"Bool":{"aws:SecureTransport":"false"}}`)}, true},
		{"not yet", []string{statement("Allow", "*", "*", `,"Condition":{"DateGreaterThan":{"aws:CurrentTime":"2100-01-01T00:00:00Z"}}`)}, true},
	} {
		x.may(c.policy...)
		for _, region := range []string{"eu-central-1", "us-west-2"} { // to sign for another region is no way around
			_, err := x.client(x.press, region).PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: aws.String("k"), Data: []byte("x")})
			if c.denied != isDenied(err) || !c.denied && err != nil {
				t.Errorf("%s, %s: %v", c.name, region, err)
			}
			if err != nil && !strings.Contains(err.Error(), "arn:aws:iam::000000000000:user/press is not authorized to perform: kinesis:PutRecord on resource: arn:aws:kinesis:") {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

// A stream's own policy lets in whom a key's policy does not mention, and keeps
// out whoever it denies, owners as well.
func TestPoliciesOfStreams(t *testing.T) {
	x := guard(t)
	put := func(k *kinesis.Client) error {
		_, err := k.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamARN: &x.stream, PartitionKey: aws.String("k"), Data: []byte("x")})
		return err
	}
	press := x.client(x.press, "eu-central-1")
	x.may(statement("Allow", "kinesis:Describe*", "*", ""))
	set := func(statements ...string) {
		t.Helper()
		policy := document(statements...)
		if _, err := x.owner.PutResourcePolicy(t.Context(), &kinesis.PutResourcePolicyInput{ResourceARN: &x.stream, Policy: &policy}); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(press); !isDenied(err) {
		t.Errorf("without leave of either: %v", err)
	}
	set(statement("Allow", "kinesis:Put*", x.stream, `,"Principal":{"AWS":"arn:aws:iam::000000000000:user/press"}`))
	if err := put(press); err != nil {
		t.Errorf("with the stream's leave: %v", err)
	}
	set(statement("Allow", "kinesis:Put*", x.stream, `,"Principal":{"AWS":"arn:aws:iam::000000000000:user/lathe"}`))
	if err := put(press); !isDenied(err) {
		t.Errorf("with the leave of another: %v", err)
	}
	set(statement("Deny", "kinesis:Put*", x.stream, `,"Principal":"*"`))
	if err := put(x.owner); !isDenied(err) {
		t.Errorf("a denied owner: %v", err)
	}
	if _, err := x.owner.DeleteResourcePolicy(t.Context(), &kinesis.DeleteResourcePolicyInput{ResourceARN: &x.stream}); err != nil {
		t.Fatal(err)
	}
	if err := put(x.owner); err != nil {
		t.Errorf("after the policy: %v", err)
	}
	wrong := document(statement("Allow", "kinesis:Put*", x.stream+"2", `,"Principal":"*"`))
	_, err := x.owner.PutResourcePolicy(t.Context(), &kinesis.PutResourcePolicyInput{ResourceARN: &x.stream, Policy: &wrong})
	if e := new(types.InvalidArgumentException); !errors.As(err, &e) {
		t.Errorf("a policy about another stream: %v", err)
	}
}

// Whoever writes while the key is rotated loses no call: both keys are good
// until the first one ends.
func TestRotationWhileItWrites(t *testing.T) {
	x := guard(t)
	put := func(k *kinesis.Client) error {
		_, err := k.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: aws.String("k"), Data: []byte("x")})
		return err
	}
	const overlap = 3 * time.Second
	stop, done := make(chan struct{}), make(chan error)
	key := make(chan gateway.KeyMade, 1)
	key <- x.press
	go func() {
		var failed error
		for k := (*kinesis.Client)(nil); ; {
			select {
			case next := <-key:
				k = x.client(next, "eu-central-1")
			case <-stop:
				done <- failed
				return
			default:
				if err := put(k); err != nil && failed == nil {
					failed = err
				}
			}
		}
	}()
	began := time.Now()
	next := x.change(gateway.KeyChange{Do: gateway.KeyRotate, Key: "press", For: overlap})
	key <- next
	old := x.client(x.press, "eu-central-1")
	until(t, 20*time.Second, "the old key ends", func() (string, bool) {
		err := put(old)
		if err == nil {
			return "it is accepted", false
		}
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != "UnrecognizedClientException" {
			t.Fatal(err)
		}
		return "", true
	})
	if lived := time.Since(began); lived < overlap-time.Second { // ends are whole seconds
		t.Errorf("the old key ended after %v", lived)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("a write failed: %v", err)
	}
}

// What one gateway of a site is told about a key holds at all of them, and each
// writes into one audit.
func TestPoliciesHoldAtEveryGateway(t *testing.T) {
	s := grown(t, 3)
	ctx := t.Context()
	owner := s.kinesis(s.all[0])
	if _, err := owner.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("orders"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	change := func(at int, c gateway.KeyChange) gateway.KeyMade {
		t.Helper()
		made, err := gateway.ChangeKeys(ctx, s.all[at].data, c)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	put := func(b *box, key gateway.KeyMade) error {
		_, err := b.client(key.ID, key.Secret, func(o *kinesis.Options) { o.RetryMaxAttempts = 1 }).PutRecord(ctx,
			&kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: aws.String("k"), Data: []byte("x")})
		return err
	}
	everywhere := func(what string, key gateway.KeyMade, holds func(error) bool) {
		t.Helper()
		for _, b := range s.all {
			until(t, 20*time.Second, what, func() (string, bool) {
				err := put(b, key)
				return fmt.Sprint(b.name, ": ", err), holds(err)
			})
		}
	}
	fine := func(err error) bool { return err == nil }
	unknown := func(err error) bool {
		var e smithy.APIError
		return errors.As(err, &e) && e.ErrorCode() == "UnrecognizedClientException"
	}
	press := change(0, gateway.KeyChange{Do: gateway.KeyCreate, Name: "press", Policy: document(statement("Allow", "kinesis:Put*", "*", ""))})
	everywhere("the key is good", press, fine)
	change(1, gateway.KeyChange{Do: gateway.KeySetPolicy, Key: "press", Policy: document(statement("Allow", "kinesis:Get*", "*", ""))})
	everywhere("it may only read", press, isDenied)
	change(2, gateway.KeyChange{Do: gateway.KeySetPolicy, Key: press.ID, Policy: document(statement("Allow", "kinesis:Put*", "*", ""))})
	everywhere("it may write again", press, fine)
	next := change(1, gateway.KeyChange{Do: gateway.KeyRotate, Key: "press", For: 0})
	everywhere("the next key is good", next, fine)
	everywhere("the old one has ended", press, unknown)
	change(0, gateway.KeyChange{Do: gateway.KeyDisable, Key: next.ID})
	everywhere("the next key is disabled", next, unknown)
	change(2, gateway.KeyChange{Do: gateway.KeyEnable, Key: next.ID})
	everywhere("it is enabled", next, fine)
	change(1, gateway.KeyChange{Do: gateway.KeyDelete, Key: next.ID})
	everywhere("it is deleted", next, unknown)
	until(t, 20*time.Second, "the audit tells of all three gateways", func() (string, bool) {
		told := map[string]bool{}
		err := gateway.Dial(s.all[2].data).Audit(ctx, gateway.TailQuery{From: "1h"}, func(l gateway.AuditLine) error {
			if strings.HasPrefix(l.Action, "headgate:keys:") || l.Outcome == "AccessDeniedException" {
				told[l.Gateway+" "+l.Action] = true
			}
			return nil
		})
		if err != nil {
			return err.Error(), false
		}
		for i, b := range s.all {
			for _, action := range []string{"kinesis:PutRecord", []string{"headgate:keys:create", "headgate:keys:rotate", "headgate:keys:enable"}[i]} {
				if !told[b.name+" "+action] {
					return fmt.Sprintf("%s %s is not among %v", b.name, action, told), false
				}
			}
		}
		return "", true
	})
}
