// Package awsapi is what all AWS-shaped doors share: Signature Version 4, the
// protocols JSON 1.1 and REST-JSON, the checks of a request and the texts of their errors,
// and the envelope of answers. It does not know what any operation does:
// packages such as kinesisapi describe theirs as a Service.
//
// # The order of checks
//
// A request is refused for the first of: body too large, not a POST, no body,
// unknown content type, not an object, unknown operation, bad signature,
// wrong types (SerializationException), broken constraints
// (ValidationException), and at last what the operation itself finds. The
// signature is in fact checked before the body is taken apart, so that a
// stranger cannot make the gateway spend memory; which error is shown follows
// the order above.
package awsapi

// Account is the account that owns everything here.
const Account = "000000000000"
