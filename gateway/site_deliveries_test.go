package gateway_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"headgate/gateway"
)

// TestAStoredDeliverySurvivesItsLeader makes a delivery at a gateway that does
// not lead, and kills the one that does. The next leader goes on where it was.
// It is deleted at a gateway that does not lead either, and is gone everywhere.
func TestAStoredDeliverySurvivesItsLeader(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := grown(t, 3)
	leader, followers := s.leader()
	c, ctx := gateway.Dial(followers[0].data), context.Background()
	document := fmt.Sprintf("{name: out, stream: telemetry, interval: 1s, local: {folder: %q}}", folder)
	if _, err := c.CreateDelivery(ctx, document); err != nil {
		t.Fatal(err)
	}
	l := s.load("load", followers...)
	until(t, 20*time.Second, "something is delivered", func() (string, bool) {
		n := len(objectsIn(t, folder))
		return fmt.Sprint(n, " records"), n > 0
	})
	leader.kill()
	l.atLeast(200)
	l.end()
	acked, _ := l.soFar()
	until(t, 30*time.Second, "all is delivered", func() (string, bool) {
		there, missing := objectsIn(t, folder), 0
		for _, data := range acked {
			if there[data] == 0 {
				missing++
			}
		}
		return fmt.Sprintf("%d of %d records are missing", missing, len(acked)), missing == 0
	})
	for data, times := range objectsIn(t, folder) {
		if times > 1 {
			t.Errorf("%q was delivered %d times", data, times)
		}
	}
	_, rest := s.leader()
	if err := gateway.Dial(rest[0].data).DeleteDelivery(ctx, "out"); err != nil {
		t.Fatal(err)
	}
	until(t, 20*time.Second, "the delivery is gone everywhere", func() (string, bool) {
		for _, b := range s.up() {
			if all, err := gateway.Dial(b.data).Deliveries(ctx); err != nil || len(all) > 0 {
				return fmt.Sprint(all, err), false
			}
		}
		return "", true
	})
}

// TestTheFirehoseAPIAtAFollower has a gateway that does not lead make a
// delivery, take records and answer for both at once.
func TestTheFirehoseAPIAtAFollower(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("aws: {endpoint: 'http://127.0.0.1:1', access_key: {env: HOME}, secret_key: {env: HOME}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := grown(t, 3, "--config", file)
	_, followers := s.leader()
	at := func(b *box) *firehose.Client {
		return firehose.New(firehose.Options{BaseEndpoint: aws.String("http://" + b.status().Addresses.API), Region: "eu-central-1",
			Credentials: credentials.NewStaticCredentialsProvider(s.id, s.secret, "")})
	}
	ctx, name := context.Background(), aws.String("lake")
	first, second := at(followers[0]), at(followers[1])
	if _, err := first.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: name, ExtendedS3DestinationConfiguration: lake("nowhere")}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: name, Record: &types.Record{Data: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	until(t, 10*time.Second, "the other follower knows it", func() (string, bool) {
		_, err := second.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: name, Record: &types.Record{Data: []byte("y")}})
		return fmt.Sprint(err), err == nil
	})
	d, err := second.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: name})
	if err != nil || d.DeliveryStreamDescription.DeliveryStreamStatus != types.DeliveryStreamStatusActive {
		t.Fatal(d, err)
	}
	if _, err := second.UpdateDestination(ctx, &firehose.UpdateDestinationInput{DeliveryStreamName: name, CurrentDeliveryStreamVersionId: aws.String("1"), DestinationId: aws.String("destinationId-000000000001"),
		ExtendedS3DestinationUpdate: &types.ExtendedS3DestinationUpdate{Prefix: aws.String("y/")}}); err != nil {
		t.Fatal(err)
	}
}
