package transform

import (
	"errors"
	"fmt"

	"headgate/shardlog"
)

// Spec is a list of steps, as a user writes it.
type Spec struct {
	Steps []Step `json:"steps" yaml:"steps"`
}

// Step is one step. Exactly one of its fields is set.
type Step struct {
	Filter         string      `json:"filter,omitempty" yaml:"filter,omitempty"`                   // keep the records for which this condition holds (package predicate)
	Rename         *Rename     `json:"rename,omitempty" yaml:"rename,omitempty"`                   // move a value
	Set            *Set        `json:"set,omitempty" yaml:"set,omitempty"`                         // write a value
	Drop           []string    `json:"drop,omitempty" yaml:"drop,omitempty"`                       // remove these paths
	Cast           *Cast       `json:"cast,omitempty" yaml:"cast,omitempty"`                       // change a value's type
	Mask           *Mask       `json:"mask,omitempty" yaml:"mask,omitempty"`                       // hide a value
	Sample         *Sample     `json:"sample,omitempty" yaml:"sample,omitempty"`                   // keep some of the records
	Flatten        *Flatten    `json:"flatten,omitempty" yaml:"flatten,omitempty"`                 // lift what is nested
	Deaggregate    bool        `json:"deaggregate,omitempty" yaml:"deaggregate,omitempty"`         // unpack the Kinesis Producer Library's records
	Split          *Split      `json:"split,omitempty" yaml:"split,omitempty"`                     // several records of one
	Decompress     *Decompress `json:"decompress,omitempty" yaml:"decompress,omitempty"`           // expand gzip
	CloudWatchLogs bool        `json:"cloudwatch_logs,omitempty" yaml:"cloudwatch_logs,omitempty"` // one record for each message of a subscription's record
	Delimiter      string      `json:"append_delimiter,omitempty" yaml:"append_delimiter,omitempty"`
	Partition      *Partition  `json:"partition,omitempty" yaml:"partition,omitempty"` // name the keys of dynamic partitioning
	Query          *Query      `json:"jq,omitempty" yaml:"jq,omitempty"`               // a jq program
	Lambda         *Lambda     `json:"lambda,omitempty" yaml:"lambda,omitempty"`       // a function
}

// operation is what a step asks for.
type operation interface {
	check() error
	build(b *builder, env Env) error
}

// operations are those fields of a step that are set.
func (s Step) operations() []operation {
	var all []operation
	add := func(set bool, o operation) {
		if set {
			all = append(all, o)
		}
	}
	add(s.Filter != "", filter(s.Filter))
	add(s.Rename != nil, s.Rename)
	add(s.Set != nil, s.Set)
	add(len(s.Drop) > 0, drop(s.Drop))
	add(s.Cast != nil, s.Cast)
	add(s.Mask != nil, s.Mask)
	add(s.Sample != nil, s.Sample)
	add(s.Flatten != nil, s.Flatten)
	add(s.Deaggregate, deaggregation{})
	add(s.Split != nil, s.Split)
	add(s.Decompress != nil, s.Decompress)
	add(s.CloudWatchLogs, extraction{})
	add(s.Delimiter != "", delimiter(s.Delimiter))
	add(s.Partition != nil, s.Partition)
	add(s.Query != nil, s.Query)
	add(s.Lambda != nil, s.Lambda)
	return all
}

// maxSteps bounds a chain; nobody needs as many.
const maxSteps = 100

// Validate answers Invalid with everything that is wrong, nil when nothing is.
func (s Spec) Validate() error {
	var wrong []error
	if len(s.Steps) > maxSteps {
		wrong = append(wrong, fmt.Errorf("%d steps are more than %d", len(s.Steps), maxSteps))
	}
	for i, step := range s.Steps {
		if err := step.check(); err != nil {
			wrong = append(wrong, fmt.Errorf("step %d: %w", i+1, err))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &shardlog.Error{Kind: shardlog.Invalid, Op: "check transform", Err: errors.Join(wrong...)}
}

func (s Step) check() error {
	all := s.operations()
	if len(all) != 1 {
		return fmt.Errorf("it asks for %d operations, one is allowed; write a step for each", len(all))
	}
	return all[0].check()
}

// builder makes stages of steps. Edits that follow one another become one
// stage, which takes the document's text once.
type builder struct {
	stages []stage
	edits  *edits // the last stage, when more edits may join it
}

func (b *builder) add(s Step, env Env) error { return s.operations()[0].build(b, env) }

func (b *builder) stage(s stage) {
	b.stages = append(b.stages, s)
	b.edits = nil
}

func (b *builder) edit(e editor) {
	if b.edits == nil {
		edits := &edits{}
		b.stage(edits)
		b.edits = edits
	}
	b.edits.all = append(b.edits.all, e)
}
