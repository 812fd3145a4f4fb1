package transform_test

import (
	"context"
	"testing"

	"headgate/firehose/sinktest"
	"headgate/firehose/transform"
	"headgate/firehose/transform/lambda"
)

// TestHostedFunction: records go through an unmodified bootstrap, which reads
// the event by AWS's own types; one that it cannot take is found.
func TestHostedFunction(t *testing.T) {
	h, err := lambda.Open(lambda.Config{Name: "f", Command: []string{sinktest.Peer(t, "lambda")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	e := env()
	e.Function = func(string) (transform.Invoker, error) { return h, nil }
	c, err := transform.New(transform.Spec{Steps: []transform.Step{{Lambda: &transform.Lambda{Function: "f"}}}}, e)
	if err != nil {
		t.Fatal(err)
	}
	got := tell(t, c, records("hello", "drop", "fail", "partition north", "crash", "forget", "twice", "bye"))
	want := `1 HELLO k1 1 1782909000005
4 partition north {"site":"north"}
8 BYE k8 8 1782909000005
3 Lambda.ProcessingFailedStatus: the function says that it could not process the record
5 Lambda.FunctionError: the process ended: exit status 1
6 Lambda.MissingRecordId: the function did not answer for the record
7 Lambda.DuplicatedRecordId: the function answered for the record twice`
	if got != want {
		t.Errorf("got %s", got)
	}
}
