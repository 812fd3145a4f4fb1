package gateway_test

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/rogpeppe/go-internal/testscript"

	"headgate/gateway"
)

// eventually tries until something holds.
func eventually(ts *testscript.TestScript, what string, holds func(ctx context.Context) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("never: %s", what)
		}
	}
}

// votes waits until so many gateways vote: votes DATA 3
func votes(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	eventually(ts, args[1]+" gateways vote", func(ctx context.Context) bool {
		s, err := gateway.Dial(ts.MkAbs(args[0])).Status(ctx)
		return err == nil && s.Site != nil && s.Site.Voters == want && s.Site.Leader != ""
	})
}

// sees waits until a gateway gives a record of telemetry: sees DATA hello
func sees(ts *testscript.TestScript, _ bool, args []string) {
	eventually(ts, args[1]+" is read", func(ctx context.Context) bool {
		var all []string
		err := gateway.Dial(ts.MkAbs(args[0])).Tail(ctx, gateway.TailQuery{Stream: "telemetry"}, func(r gateway.TailRecord) error {
			all = append(all, string(r.Data))
			return nil
		})
		return err == nil && slices.Contains(all, args[1])
	})
}

// admitted waits until the API at $API takes a key pair: admitted $ID $SECRET
func admitted(ts *testscript.TestScript, _ bool, args []string) {
	k := kinesis.New(kinesis.Options{
		BaseEndpoint: aws.String("http://" + ts.Getenv("API")), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider(args[0], args[1], ""),
	})
	eventually(ts, "the key pair is taken", func(ctx context.Context) bool {
		_, err := k.ListStreams(ctx, &kinesis.ListStreamsInput{})
		return err == nil
	})
}
