// Package transform changes records between the log and a destination, as a
// list of steps says: it filters and edits JSON, unpacks what producers pack,
// names partitions and asks functions. It does not know the destination, nor
// when or how often a record is asked for.
//
// The same record always becomes the same bytes, a Lambda function apart. A
// record that cannot be transformed is refused with its code; the others of
// its batch are not.
package transform

import (
	"context"
	"net/http"

	"headgate/firehose"
	"headgate/firehose/transform/lambda"
	"headgate/shardlog"
)

// Env is what a chain needs of its surroundings. All of it may be zero, as
// far as the steps do not ask for it.
type Env struct {
	Delivery string                             // names the delivery to functions
	Stream   shardlog.StreamName                // the stream's name, for set
	Secret   func(ref string) ([]byte, error)   // resolves the reference to a secret
	Function func(name string) (Invoker, error) // finds a function that is hosted here
	Client   *http.Client                       // for functions elsewhere; nil is a sane one
}

// Invoker calls a function with an event and returns its reply.
type Invoker = lambda.Invoker

// Chain is a list of steps, made ready. Make it with New.
type Chain struct{ stages []stage }

var _ firehose.Transform = (*Chain)(nil)

// stage takes records into others. It keeps their order, and names those that
// it refuses. Its result may share bytes with in, but not its elements.
type stage interface {
	apply(ctx context.Context, in []firehose.Record, refuse refuseFunc) ([]firehose.Record, error)
}

type refuseFunc func(seq shardlog.Seq, code, message string)

// New makes a chain ready. A specification that is not valid, a secret that
// is not there or a function that nobody knows is Invalid.
func New(spec Spec, env Env) (firehose.Transform, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	var b builder
	for i, s := range spec.Steps {
		if err := b.add(s, env); err != nil {
			return nil, shardlog.Errorf(shardlog.Invalid, "make transform", "step %d: %w", i+1, err)
		}
	}
	return &Chain{b.stages}, nil
}

// Apply sends records through all steps. When one of those that a record
// became is refused, all of them are.
func (c *Chain) Apply(ctx context.Context, in []firehose.Record) (firehose.Transformed, error) {
	var refused []firehose.Item
	bad := map[shardlog.Seq]bool{}
	refuse := func(seq shardlog.Seq, code, message string) {
		if !bad[seq] {
			bad[seq] = true
			refused = append(refused, firehose.Item{Seq: seq, Code: code, Message: message})
		}
	}
	records := in
	for _, s := range c.stages {
		var err error
		if records, err = s.apply(ctx, records, refuse); err != nil {
			return firehose.Transformed{}, err
		}
		if len(bad) > 0 {
			records = without(records, bad)
		}
	}
	return firehose.Transformed{Records: records, Refused: refused}, nil
}

// without leaves the records of refused ones out.
func without(in []firehose.Record, bad map[shardlog.Seq]bool) []firehose.Record {
	out := make([]firehose.Record, 0, len(in))
	for _, r := range in {
		if !bad[r.Seq] {
			out = append(out, r)
		}
	}
	return out
}

// number counts the records that have one Seq.
func number(records []firehose.Record) []firehose.Record {
	for i := range records {
		records[i].Sub = 0
		if i > 0 && records[i-1].Seq == records[i].Seq {
			records[i].Sub = records[i-1].Sub + 1
		}
	}
	return records
}
