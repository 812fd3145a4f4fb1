package awsapi

import "context"

// Service is one AWS service: its operations by name.
type Service struct {
	Target  string // before the dot of X-Amz-Target: "Kinesis_20131202"; "": asked for by path alone
	Signing string // the service in a credential's scope: "kinesis"
	Ops     map[string]Operation
	Actions string // the service as policies name it; "": as Signing
	Query   string // its namespace in the query protocol, whose last part is the version; "": it is not asked so
	Invalid string // the error of a request that breaks constraints; "": ValidationException
	// Needs finds what a request takes permission for, once its body was read;
	// of an Upload its head. Nil: each operation is about nothing in particular.
	Needs func(ctx context.Context, c *Call) ([]Need, error)
	// Explain makes the AWS error of an error that an operation returned and
	// that is no *Error itself.
	Explain func(error) *Error
}

// Operation is one operation of a service.
type Operation struct {
	// Path, when not empty, is where the operation is asked for (REST-JSON).
	// It is then unknown to X-Amz-Target. It may have one member of the Input in
	// it, {name}, which may have slashes.
	Path string
	// Method is that of HTTP, of an operation with a Path. Empty: POST.
	Method string
	// Raw says that the body is no JSON, and the operation's own to read: the
	// members of Input come from path and query.
	Raw bool
	// Input describes the request's members, in the order in which errors name them.
	Input []Field
	// Fast, when not nil, reads the usual form of the body by itself and
	// puts the result into c.Parsed. False means that the body is not of that
	// form, or breaks a constraint: then it is decoded and checked as Input says.
	Fast func(c *Call) bool
	// Do does it. It appends the answer to c.Out; nothing appended is an
	// empty body. What it returns is an *Error, or anything that Explain knows.
	Do func(ctx context.Context, c *Call) error
	// Flow stands in the place of Do where the answer is not JSON, or goes out
	// while it is made. An error after f.Begin cuts the answer off.
	Flow func(ctx context.Context, c *Call, f *Flow) error
	// Data says that the operation is of the data plane: devices call it all the
	// time, so the audit does not tell of each call.
	Data bool
	// Needs stands in the place of the Service's.
	Needs func(ctx context.Context, c *Call) ([]Need, error)
	// Upload leaves the body to Flow, which reads it as it comes: it is no
	// JSON, and the signature need not cover it.
	Upload bool
}
