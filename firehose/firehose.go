// Package firehose holds the words of delivery: a batch of records, the sink
// that takes it, the encoder that turns it into bytes and the result that
// says how it went. It does not know when batches are made, nor any sink's
// protocol.
//
// # Identity
//
// A batch is sealed before the first of its bytes leaves: its range of
// records, its object name, its id and the SHA-256 of its uncompressed
// content are durable. Every attempt after that, by whatever process, sends
// the same record set under the same name. Two attempts are the same delivery
// when id and SHA-256 agree; compressed bytes may differ.
package firehose
