package peer

// Decoders that strangers reach, for the fuzzers.
var (
	ParseJoinRequest = parseJoinRequest
	ReadFrame        = readFrame
	ReadGreeting     = readGreeting
	DecodeError      = decodeError
	ParseRange       = parseRange
)
