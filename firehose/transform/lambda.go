package transform

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"headgate/firehose"
	"headgate/firehose/transform/lambda"
	"headgate/shardlog"
)

// Lambda hands records to a function under Firehose's contract: each comes
// back as Ok, Dropped or ProcessingFailed. A batch that fails is tried again
// three times; then it is halved, to find the records at fault.
type Lambda struct {
	Function string `json:"function" yaml:"function"`                       // its name; hosted here, unless there is a URL
	URL      string `json:"url,omitempty" yaml:"url,omitempty"`             // of an Invoke API
	MaxBytes int    `json:"max_bytes,omitempty" yaml:"max_bytes,omitempty"` // of the records' data in one event; default 1 MiB, at most 3 MiB
}

const (
	defaultEventBytes = 1 << 20
	maxEventBytes     = 3 << 20 // base64 makes 4 MiB of it
	maxEventRecords   = 10_000  // what is beside the data counts too
	lambdaRetries     = 3
	lambdaPause       = 100 * time.Millisecond
	maxHalves         = 64 // invocations to find what is at fault in one batch
)

func (o *Lambda) check() error {
	if o.MaxBytes < 0 || o.MaxBytes > maxEventBytes {
		return fmt.Errorf("lambda: max_bytes is %d, up to %d are allowed", o.MaxBytes, maxEventBytes)
	}
	if o.URL != "" {
		return (&lambda.HTTP{URL: o.URL, Name: o.Function}).Check()
	}
	return lambda.CheckName(o.Function)
}

func (o *Lambda) build(b *builder, env Env) error {
	s := &invoking{delivery: env.Delivery, bytes: o.MaxBytes}
	if s.bytes == 0 {
		s.bytes = defaultEventBytes
	}
	switch {
	case o.URL != "":
		s.invoker = &lambda.HTTP{URL: o.URL, Name: o.Function, Client: env.Client}
	case env.Function == nil:
		return fmt.Errorf("lambda: no functions are hosted here")
	default:
		var err error
		if s.invoker, err = env.Function(o.Function); err != nil {
			return fmt.Errorf("lambda: %w", err)
		}
	}
	b.stage(s)
	return nil
}

// invoking is the stage: it makes batches of what one event may hold.
type invoking struct {
	invoker  Invoker
	delivery string
	bytes    int
}

func (s *invoking) apply(ctx context.Context, in []firehose.Record, refuse refuseFunc) ([]firehose.Record, error) {
	out := make([]firehose.Record, 0, len(in))
	for len(in) > 0 {
		n, size := 0, 0
		for n < len(in) && n < maxEventRecords && (n == 0 || size+len(in[n].Data) <= s.bytes) {
			size += len(in[n].Data)
			n++
		}
		if n == 1 && size > maxEventBytes {
			refuse(in[0].Seq, lambda.CodeTooLarge, fmt.Sprintf("the record has %d bytes, a function takes %d", size, maxEventBytes))
		} else if err := s.batch(ctx, in[:n], &out, refuse); err != nil {
			return nil, err
		}
		in = in[n:]
	}
	return number(out), nil
}

// batch invokes the function, again when it fails, and then on halves.
func (s *invoking) batch(ctx context.Context, in []firehose.Record, out *[]firehose.Record, refuse refuseFunc) error {
	var err error
	for try := range 1 + lambdaRetries {
		if try > 0 {
			if err := pause(ctx, lambdaPause<<(try-1)); err != nil {
				return err
			}
		}
		var reply []byte
		if reply, err = s.invoke(ctx, in); err == nil {
			return s.take(in, reply, out, refuse)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	budget := maxHalves
	return s.halve(ctx, in, err, &budget, out, refuse)
}

// halve follows a function's error to the records at fault, as far as the
// budget goes; the others are refused with it. Any other error ends the call:
// nothing is wrong with the records.
func (s *invoking) halve(ctx context.Context, in []firehose.Record, err error, budget *int, out *[]firehose.Record, refuse refuseFunc) error {
	var fault *lambda.FunctionError
	if !errors.As(err, &fault) {
		return err
	}
	if len(in) == 1 || *budget == 0 {
		for _, r := range in {
			refuse(r.Seq, fault.Code, fault.Message)
		}
		return nil
	}
	for _, half := range [][]firehose.Record{in[:len(in)/2], in[len(in)/2:]} {
		var reply []byte
		err := error(fault)
		if *budget > 0 {
			*budget--
			reply, err = s.invoke(ctx, half)
		}
		if err == nil {
			err = s.take(half, reply, out, refuse)
		} else {
			err = s.halve(ctx, half, err, budget, out, refuse)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// invoke sends an event and checks that the reply is one.
func (s *invoking) invoke(ctx context.Context, in []firehose.Record) ([]byte, error) {
	event, err := s.event(in)
	if err != nil {
		return nil, err
	}
	if len(event) > lambda.MaxPayload {
		return nil, &lambda.FunctionError{Code: lambda.CodeTooLarge, Message: "the event is too large"}
	}
	reply, err := s.invoker.Invoke(ctx, event)
	if err != nil {
		return nil, err
	}
	var probe struct {
		Records json.RawMessage `json:"records"`
	}
	var list []json.RawMessage // null is an empty one: so Go's functions write it
	if json.Unmarshal(reply, &probe) != nil || json.Unmarshal(probe.Records, &list) != nil {
		return nil, &lambda.FunctionError{Code: lambda.CodeReply, Message: "the reply is not {\"records\": [...]}"}
	}
	return reply, nil
}

// The wire form of Firehose's contract.
type (
	event struct {
		Invocation string        `json:"invocationId"`
		Delivery   string        `json:"deliveryStreamArn"`
		Region     string        `json:"region"`
		Records    []eventRecord `json:"records"`
	}
	eventRecord struct {
		ID       string        `json:"recordId"`
		Arrived  int64         `json:"approximateArrivalTimestamp"`
		Data     []byte        `json:"data"`
		Metadata eventMetadata `json:"kinesisRecordMetadata"`
	}
	eventMetadata struct {
		Sequence string `json:"sequenceNumber"`
		Sub      int    `json:"subsequenceNumber"`
		Key      string `json:"partitionKey"`
		Arrived  int64  `json:"approximateArrivalTimestamp"`
	}
	replyRecord struct {
		ID       string `json:"recordId"`
		Result   string `json:"result"`
		Data     string `json:"data"`
		Metadata struct {
			Keys map[string]string `json:"partitionKeys"`
		} `json:"metadata"`
	}
)

// region is what events and names of resources hold where AWS has a region.
const region = "us-east-1"

// event is the same for the same records.
func (s *invoking) event(in []firehose.Record) ([]byte, error) {
	e := event{
		Invocation: in[0].Place() + "-" + in[len(in)-1].Place(), Region: region,
		Delivery: "arn:aws:firehose:" + region + ":000000000000:deliverystream/" + s.delivery,
		Records:  make([]eventRecord, len(in)),
	}
	for i, r := range in {
		arrived := r.Arrived.UnixMilli()
		e.Records[i] = eventRecord{r.Place(), arrived, r.Data, eventMetadata{fmt.Sprint(uint64(r.Seq)), r.Sub, clean(r.Key), arrived}}
		if r.Data == nil {
			e.Records[i].Data = []byte{}
		}
	}
	return json.Marshal(e)
}

// take reads the reply: what became of each record, by its id.
func (s *invoking) take(in []firehose.Record, reply []byte, out *[]firehose.Record, refuse refuseFunc) error {
	var all struct {
		Records []json.RawMessage `json:"records"`
	}
	if err := json.Unmarshal(reply, &all); err != nil { // checked by invoke
		return shardlog.Errorf(shardlog.Internal, "read reply", "%w", err)
	}
	answers := make(map[string]replyRecord, len(in))
	twice := map[string]bool{}
	for _, raw := range all.Records {
		var a replyRecord
		if err := json.Unmarshal(raw, &a); err != nil && a.ID == "" {
			continue
		} else if err != nil {
			a.Result = ""
		}
		_, again := answers[a.ID]
		twice[a.ID] = twice[a.ID] || again
		answers[a.ID] = a
	}
	for _, r := range in {
		a, there := answers[r.Place()]
		switch {
		case !there:
			refuse(r.Seq, "Lambda.MissingRecordId", "the function did not answer for the record")
		case twice[a.ID]:
			refuse(r.Seq, "Lambda.DuplicatedRecordId", "the function answered for the record twice")
		default:
			if code, message := answered(&r, a, out); code != "" {
				refuse(r.Seq, code, message)
			}
		}
	}
	return nil
}

// answered does what the function says about one record, or says why not.
func answered(r *firehose.Record, a replyRecord, out *[]firehose.Record) (code, message string) {
	switch a.Result {
	case "Dropped":
		return "", ""
	case "ProcessingFailed":
		return CodeLambdaFailed, "the function says that it could not process the record"
	case "Ok":
	default:
		return lambda.CodeReply, fmt.Sprintf("the function's result for the record is %q, not Ok, Dropped or ProcessingFailed", a.Result)
	}
	data, err := base64.StdEncoding.DecodeString(a.Data)
	if err != nil {
		return lambda.CodeReply, "the record's data is not base64"
	}
	r.Data = data
	if len(a.Metadata.Keys) > 0 {
		for _, text := range a.Metadata.Keys {
			if text == "" || len(text) > maxKeyBytes {
				return CodePartition, fmt.Sprintf("a key is empty or longer than %d bytes", maxKeyBytes)
			}
		}
		keys, ok := addKeys(r.Keys, a.Metadata.Keys)
		if !ok {
			return CodePartition, fmt.Sprintf("the record has more than %d keys", maxKeys)
		}
		r.Keys = keys
	}
	*out = append(*out, *r)
	return "", ""
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
