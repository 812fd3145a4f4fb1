package firehose

import "context"

// Transform turns records of the log into those that are delivered. It is
// asked for the same records again in every attempt, in other groups, and
// must make the same of them. It is safe for concurrent use.
type Transform interface {
	// Apply turns some records of one shard, in order, into those that take
	// their place: of each none, one or several, under its Seq and with Sub
	// counted from zero. What cannot be transformed it refuses, by Seq: that
	// goes to the error output. An error says that nothing is known of any of
	// them, and is tried again. The result may share bytes with in.
	Apply(ctx context.Context, in []Record) (Transformed, error)
}

// Transformed is what a transform made of records.
type Transformed struct {
	Records []Record
	Refused []Item // by Seq; nothing of them is among Records
}
