package transform_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"headgate/firehose"
	"headgate/firehose/transform"
	"headgate/firehose/transform/lambda"
	"headgate/shardlog"
)

type function func(records []map[string]any) (string, error)

func (f function) Invoke(_ context.Context, event []byte) ([]byte, error) {
	var e struct {
		Delivery string           `json:"deliveryStreamArn"`
		Records  []map[string]any `json:"records"`
	}
	if err := json.Unmarshal(event, &e); err != nil || !strings.HasSuffix(e.Delivery, "/d") {
		return nil, fmt.Errorf("event %s: %w", event, err)
	}
	reply, err := f(e.Records)
	return []byte(reply), err
}

func text(r map[string]any) string {
	b, err := base64.StdEncoding.DecodeString(r["data"].(string))
	if err != nil {
		panic(err)
	}
	return string(b)
}

func through(t *testing.T, f function) firehose.Transform {
	e := env()
	e.Function = func(name string) (transform.Invoker, error) { return f, nil }
	c, err := transform.New(transform.Spec{Steps: []transform.Step{{Lambda: &transform.Lambda{Function: "f"}}}}, e)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ok(r map[string]any) string {
	return fmt.Sprintf(`{"recordId":%q,"result":"Ok","data":%q}`, r["recordId"], r["data"])
}

// TestOddReplies: what a function says of one record does not touch another.
func TestOddReplies(t *testing.T) {
	for of, want := range map[string]string{
		`{"recordId":"2","result":"Fine","data":""}`: "Lambda.JsonProcessingException: the function's result for the record is \"Fine\"",
		`{"recordId":"2","result":"Ok","data":"*"}`:  "Lambda.JsonProcessingException: the record's data is not base64",
		`{"recordId":"2","result":7}`:                "Lambda.JsonProcessingException: the function's result for the record is \"\"",
		`{"recordId":"7","result":"Ok","data":""}`:   "Lambda.MissingRecordId",
		`7`: "Lambda.MissingRecordId",
		`{"recordId":"2","result":"Ok"},{"recordId":"2","result":"Ok"}`:        "Lambda.DuplicatedRecordId",
		`{"recordId":"2","result":"Ok","metadata":{"partitionKeys":{"a":""}}}`: "DynamicPartitioning.MetadataExtractionFailed",
		`{"recordId":"2","result":"ProcessingFailed","data":""}`:               "Lambda.ProcessingFailedStatus",
	} {
		c := through(t, func(in []map[string]any) (string, error) {
			return `{"records":[` + ok(in[2]) + "," + of + "," + ok(in[0]) + `]}`, nil // in another order
		})
		got := tell(t, c, records("a", "b", "c"))
		if !strings.HasPrefix(got, "1 a\n3 c\n2 "+want) {
			t.Errorf("%s: %s", of, got)
		}
	}
}

func TestFailingFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		// A function that cannot take one of the records: after three retries it is found.
		poisoned := func(in []map[string]any) (string, error) {
			calls.Add(1)
			var all []string
			for _, r := range in {
				if text(r) == "poison" {
					return "", &lambda.FunctionError{Code: lambda.CodeFailed, Message: "boom"}
				}
				all = append(all, ok(r))
			}
			return `{"records":[` + strings.Join(all, ",") + `]}`, nil
		}
		got, err := through(t, poisoned).Apply(t.Context(), records("a", "b", "poison", "c", "d"))
		if err != nil || len(got.Records) != 4 || len(got.Refused) != 1 || got.Refused[0] != (firehose.Item{Seq: 3, Code: lambda.CodeFailed, Message: "boom"}) {
			t.Errorf("%+v %v", got, err)
		}
		if n := calls.Load(); n < 4 || n > 12 {
			t.Errorf("%d calls", n)
		}
		// One that fails always: all are refused, after a bounded number of calls.
		calls.Store(0)
		broken := func([]map[string]any) (string, error) { calls.Add(1); return `{"errorMessage":"x"}`, nil }
		var many []string
		for range 1000 {
			many = append(many, "a")
		}
		got, err = through(t, broken).Apply(t.Context(), records(many...))
		if err != nil || len(got.Records) != 0 || len(got.Refused) != 1000 || calls.Load() > 68 {
			t.Errorf("%d records, %d refused, %d calls, %v", len(got.Records), len(got.Refused), calls.Load(), err)
		}
		// One that cannot be reached: nothing is known of any record.
		calls.Store(0)
		gone := func([]map[string]any) (string, error) {
			calls.Add(1)
			return "", shardlog.Errorf(shardlog.Unavailable, "invoke function", "no route")
		}
		got, err = through(t, gone).Apply(t.Context(), records("a"))
		if shardlog.KindOf(err) != shardlog.Unavailable || len(got.Refused) != 0 || calls.Load() != 4 {
			t.Errorf("%+v %v after %d calls", got, err, calls.Load())
		}
	})
}

// TestEventsAreBounded: large records go in events of their own, larger ones
// nowhere.
func TestEventsAreBounded(t *testing.T) {
	var sizes []int
	c := through(t, func(in []map[string]any) (string, error) {
		size := 0
		var all []string
		for _, r := range in {
			size += len(text(r))
			all = append(all, ok(r))
		}
		sizes = append(sizes, size)
		return `{"records":[` + strings.Join(all, ",") + `]}`, nil
	})
	big := strings.Repeat("x", 700<<10)
	got, err := c.Apply(t.Context(), records(big, "a", big, strings.Repeat("y", 4<<20), "b"))
	if err != nil || len(got.Records) != 4 || len(got.Refused) != 1 || got.Refused[0].Seq != 4 {
		t.Errorf("%d records, %v, %v", len(got.Records), got.Refused, err)
	}
	if fmt.Sprint(sizes) != fmt.Sprint([]int{700<<10 + 1, 700 << 10, 1}) {
		t.Errorf("events of %v bytes", sizes)
	}
}

func TestUnknownFunctions(t *testing.T) {
	e := env()
	e.Function = func(name string) (transform.Invoker, error) { return nil, errors.New("nobody knows " + name) }
	_, err := transform.New(transform.Spec{Steps: []transform.Step{{Lambda: &transform.Lambda{Function: "f"}}}}, e)
	if shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(err.Error(), "nobody knows f") {
		t.Error(err)
	}
}
