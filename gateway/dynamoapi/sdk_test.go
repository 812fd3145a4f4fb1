package dynamoapi_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"headgate/gateway/awsapi"
	"headgate/gateway/dynamoapi"
	"headgate/shardlog/shardlogtest"
)

// leases is the SDK's client of a table as the KCL makes it.
func leases(t *testing.T, shared bool) *dynamodb.Client {
	t.Helper()
	api, err := dynamoapi.New(dynamoapi.Config{States: shardlogtest.NewMemory(), Shared: func() bool { return shared }})
	if err != nil {
		t.Fatal(err)
	}
	door, err := awsapi.New(awsapi.Config{Services: []awsapi.Service{api.Service()}, Open: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(door)
	t.Cleanup(server.Close)
	c := dynamodb.New(dynamodb.Options{Region: "eu-central-1", BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("any", "thing", "")})
	out, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: aws.String("app"), BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("leaseKey"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("leaseKey"), AttributeType: types.ScalarAttributeTypeS}}})
	if err != nil || out.TableDescription.TableStatus != types.TableStatusActive {
		t.Fatalf("%+v, %v", out, err)
	}
	return c
}

func s(text string) types.AttributeValue { return &types.AttributeValueMemberS{Value: text} }
func n(text string) types.AttributeValue { return &types.AttributeValueMemberN{Value: text} }

type row = map[string]types.AttributeValue

func key(name string) row { return row{"leaseKey": s(name)} }

func wants(t *testing.T, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// TestALease is taken, renewed, stolen and given back as the KCL does it, with
// the older members and with expressions.
func TestALease(t *testing.T) {
	for _, shared := range []bool{false, true} {
		c, ctx, app := leases(t, shared), t.Context(), aws.String("app")
		create := &dynamodb.PutItemInput{TableName: app, Item: row{"leaseKey": s("shard-1"), "leaseCounter": n("0"), "checkpoint": s("TRIM_HORIZON")},
			Expected: map[string]types.ExpectedAttributeValue{"leaseKey": {Exists: aws.Bool(false)}}}
		if _, err := c.PutItem(ctx, create); err != nil {
			t.Fatal(err)
		}
		_, err := c.PutItem(ctx, create)
		wants(t, err, "ConditionalCheckFailedException")
		renew := func(was, is string) error {
			_, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: app, Key: key("shard-1"),
				Expected: map[string]types.ExpectedAttributeValue{"leaseCounter": {Value: n(was)}},
				AttributeUpdates: map[string]types.AttributeValueUpdate{"leaseCounter": {Value: n(is), Action: types.AttributeActionPut},
					"leaseOwner": {Value: s("worker"), Action: types.AttributeActionPut}, "parentShardId": {Action: types.AttributeActionDelete}}})
			return err
		}
		if err := renew("0", "1"); err != nil {
			t.Fatal(err)
		}
		wants(t, renew("0", "2"), "ConditionalCheckFailedException")
		stolen, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: app, Key: key("shard-1"), ReturnValues: types.ReturnValueAllNew,
			ConditionExpression:       aws.String("leaseOwner = :old AND leaseCounter = :n AND attribute_exists(leaseKey)"),
			UpdateExpression:          aws.String("SET leaseOwner = :new, leaseCounter = leaseCounter + :one, #c = if_not_exists(#c, :x) REMOVE nothing ADD switches :one, hosts :hosts"),
			ExpressionAttributeNames:  map[string]string{"#c": "checkpoint"},
			ExpressionAttributeValues: row{":old": s("worker"), ":new": s("thief"), ":n": n("1.0"), ":one": n("1"), ":x": s("never"), ":hosts": &types.AttributeValueMemberSS{Value: []string{"a", "b"}}}})
		if err != nil {
			t.Fatal(err)
		}
		want := row{"leaseKey": s("shard-1"), "leaseCounter": n("2"), "leaseOwner": s("thief"), "checkpoint": s("TRIM_HORIZON"), "switches": n("1"),
			"hosts": &types.AttributeValueMemberSS{Value: []string{"a", "b"}}}
		if !reflect.DeepEqual(stolen.Attributes, want) {
			t.Errorf("%v", stolen.Attributes)
		}
		got, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: app, Key: key("shard-1"), ConsistentRead: aws.Bool(true)})
		if err != nil || !reflect.DeepEqual(got.Item, want) {
			t.Errorf("%v %v", got, err)
		}
		if none, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: app, Key: key("none"), ConsistentRead: aws.Bool(true)}); err != nil || none.Item != nil {
			t.Errorf("%v %v", none, err)
		}
		_, err = c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: app, Key: key("shard-1"), ConditionExpression: aws.String("leaseOwner = :o"),
			ExpressionAttributeValues: row{":o": s("worker")}, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
		var failed *types.ConditionalCheckFailedException
		if !errors.As(err, &failed) || !reflect.DeepEqual(failed.Item, want) {
			t.Errorf("%v", err)
		}
		if _, err := c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: app, Key: key("shard-1")}); err != nil {
			t.Error(err)
		}
	}
}

// TestScanAndQuery: filters, pages, segments, and an index that is added later.
func TestScanAndQuery(t *testing.T) {
	c, ctx, app := leases(t, false), t.Context(), aws.String("app")
	for i := range 30 {
		it := row{"leaseKey": s(fmt.Sprintf("shard-%02d", i)), "streamName": s(fmt.Sprint("s", i%2)), "leaseOwner": s(fmt.Sprint("w", i%3)), "n": n(fmt.Sprint(i))}
		if i == 7 {
			delete(it, "leaseOwner")
		}
		if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: app, Item: it}); err != nil {
			t.Fatal(err)
		}
	}
	count := 0
	for start := row(nil); ; {
		page, err := c.Scan(ctx, &dynamodb.ScanInput{TableName: app, Limit: aws.Int32(7), ExclusiveStartKey: start, FilterExpression: aws.String("streamName = :x AND n BETWEEN :low AND :high"),
			ExpressionAttributeValues: row{":x": s("s1"), ":low": n("3"), ":high": n("20")}})
		if err != nil {
			t.Fatal(err)
		}
		count += len(page.Items)
		if start = page.LastEvaluatedKey; start == nil {
			break
		}
	}
	if count != 9 {
		t.Errorf("%d items", count)
	}
	count = 0
	for segment := range int32(4) {
		page, err := c.Scan(ctx, &dynamodb.ScanInput{TableName: app, Segment: &segment, TotalSegments: aws.Int32(4)})
		if err != nil {
			t.Fatal(err)
		}
		count += len(page.Items)
	}
	if count != 30 {
		t.Errorf("%d items in segments", count)
	}
	index := aws.String("LeaseOwnerToLeaseKeyIndex")
	_, err := c.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: app,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("leaseOwner"), AttributeType: "S"}, {AttributeName: aws.String("leaseKey"), AttributeType: "S"}},
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{IndexName: index,
			KeySchema:  []types.KeySchemaElement{{AttributeName: aws.String("leaseOwner"), KeyType: "HASH"}, {AttributeName: aws.String("leaseKey"), KeyType: "RANGE"}},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}}}}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: app})
	if err != nil || d.Table.GlobalSecondaryIndexes[0].IndexStatus != types.IndexStatusActive || *d.Table.ItemCount != 30 {
		t.Errorf("%+v %v", d, err)
	}
	q, err := c.Query(ctx, &dynamodb.QueryInput{TableName: app, IndexName: index, KeyConditionExpression: aws.String("leaseOwner = :o AND begins_with(leaseKey, :p)"),
		ExpressionAttributeValues: row{":o": s("w1"), ":p": s("shard-")}, ScanIndexForward: aws.Bool(false), ProjectionExpression: aws.String("leaseKey")})
	if err != nil || len(q.Items) != 9 || !reflect.DeepEqual(q.Items[0], key("shard-28")) {
		t.Errorf("%v %v", q, err)
	}
}

// TestTransactions are made whole or not at all, and say which condition failed.
func TestTransactions(t *testing.T) {
	c, ctx, app := leases(t, true), t.Context(), aws.String("app")
	put := func(name string) types.TransactWriteItem {
		return types.TransactWriteItem{Put: &types.Put{TableName: app, Item: key(name), ConditionExpression: aws.String("attribute_not_exists(leaseKey)")}}
	}
	if _, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{put("a"), put("b")}}); err != nil {
		t.Fatal(err)
	}
	_, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{put("c"), put("b")}})
	var canceled *types.TransactionCanceledException
	if !errors.As(err, &canceled) || len(canceled.CancellationReasons) != 2 || *canceled.CancellationReasons[1].Code != "ConditionalCheckFailed" {
		t.Errorf("%v", err)
	}
	if got, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: app, Key: key("c")}); err != nil || got.Item != nil {
		t.Errorf("%v %v", got, err)
	}
}

// TestOneWinner: of many who take a lease at one moment one has it.
func TestOneWinner(t *testing.T) {
	c, ctx, app := leases(t, true), t.Context(), aws.String("app")
	if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: app, Item: row{"leaseKey": s("shard"), "leaseCounter": n("0")}}); err != nil {
		t.Fatal(err)
	}
	for round := range 20 {
		var won atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: app, Key: key("shard"), ConditionExpression: aws.String("leaseCounter = :was"),
					UpdateExpression: aws.String("SET leaseCounter = leaseCounter + :one"), ExpressionAttributeValues: row{":was": n(fmt.Sprint(round)), ":one": n("1")}})
				if err == nil {
					won.Add(1)
					return
				}
				wants(t, err, "ConditionalCheckFailedException")
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d has %d winners", round, won.Load())
		}
	}
}

// TestRefusals have DynamoDB's names.
func TestRefusals(t *testing.T) {
	c, ctx, app := leases(t, false), t.Context(), aws.String("app")
	_, err := c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("none")})
	wants(t, err, "ResourceNotFoundException")
	_, err = c.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: app, KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("k"), KeyType: "HASH"}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("k"), AttributeType: "S"}}})
	wants(t, err, "ResourceInUseException")
	for _, expression := range []string{"(", "a = ", "a = :none", "#none = :v", "a ? :v", "size(a", "a BETWEEN :v", "NOT", "a IN ()", "a = :v extra", "begins_with(a :v)"} {
		_, err = c.PutItem(ctx, &dynamodb.PutItemInput{TableName: app, Item: key("k"), ConditionExpression: &expression, ExpressionAttributeValues: row{":v": s("x")}})
		wants(t, err, "ValidationException")
	}
	for _, it := range []row{{"other": s("x")}, {"leaseKey": n("1")}, {"leaseKey": s("")}, {"leaseKey": s("k"), "n": n("one")}, {"leaseKey": s("k"), "n": n("1e9999")},
		{"leaseKey": s("k"), "s": &types.AttributeValueMemberSS{Value: []string{"a", "a"}}}, {"leaseKey": s("k"), "big": s(string(make([]byte, 70<<10)))}} {
		_, err = c.PutItem(ctx, &dynamodb.PutItemInput{TableName: app, Item: it})
		wants(t, err, "ValidationException")
	}
	_, err = c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: app, Key: key("k"), UpdateExpression: aws.String("SET leaseKey = :v"), ExpressionAttributeValues: row{":v": s("x")}})
	wants(t, err, "ValidationException")
	if _, err := c.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: app}); err != nil {
		t.Error(err)
	}
	if l, err := c.ListTables(ctx, &dynamodb.ListTablesInput{}); err != nil || len(l.TableNames) != 0 {
		t.Errorf("%v %v", l, err)
	}
}

// TestATableIsBounded in its bytes, whichever operation makes it larger, and
// in how deep its attributes nest.
func TestATableIsBounded(t *testing.T) {
	c, ctx, app := leases(t, false), t.Context(), aws.String("app")
	big := s(strings.Repeat("x", 60_000))
	item := func(i int) row { return row{"leaseKey": s(fmt.Sprint(i)), "data": big} }
	full := 0
	for ; full < 100; full++ {
		if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: app, Item: item(full)}); err != nil {
			wants(t, err, "ItemCollectionSizeLimitExceededException")
			break
		}
	}
	if full != 69 {
		t.Errorf("%d items of 60 KB in 4 MiB", full)
	}
	_, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{{Put: &types.Put{TableName: app, Item: item(full)}}}})
	wants(t, err, "ItemCollectionSizeLimitExceededException")
	// What makes nothing larger goes on.
	if _, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: app, Key: key("0"), UpdateExpression: aws.String("REMOVE nothing")}); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: app, Key: key("0")}); err != nil {
		t.Error(err)
	}
	if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: app, Item: item(0)}); err != nil {
		t.Error(err)
	}
	nested := func(levels int) types.AttributeValue {
		v := s("bottom")
		for range levels {
			v = &types.AttributeValueMemberL{Value: []types.AttributeValue{v}}
		}
		return v
	}
	_, err = c.PutItem(ctx, &dynamodb.PutItemInput{TableName: app, Item: row{"leaseKey": s("1"), "deep": nested(60)}})
	wants(t, err, "ValidationException")
	if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: app, Item: row{"leaseKey": s("1"), "deep": nested(32)}}); err != nil {
		t.Error(err)
	}
}
