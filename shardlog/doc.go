// Package shardlog holds the words and contracts of the house: what a stream,
// a shard, an entry and a record are, and through which interfaces rooms hand
// them to one another. It knows no disk, no network and no protocol, and it
// imports only the standard library.
//
// # Words
//
// Every word has one meaning.
//
//	stream     a named, sharded log with a retention; one incarnation of a name has one StreamID
//	shard      one ordered part of a stream, owning a range of the 128-bit hash ring
//	entry      what a producer hands in: partition key, optional explicit hash, data
//	record     an entry with its place: sequence number and arrival time
//	block      sealed entries of one stream: runs by shard, compressed and checksummed once
//	run        the entries of one shard inside one block, contiguous in sequence
//	command    what the gateways of a site agree on; it carries time, Apply reads no clock
//	bundle     a Put under a number of the gateway that took it, so that a retry is applied once
//	origin     one series of a gateway's bundle numbers
//	spool      where a gateway without its peers keeps what it acknowledges
//	bucket     a stretch of the log that retention deletes as a whole
//	page       records read in one go
//	batch      a delivery to a sink (package firehose)
//	frame      one video or audio access unit (ingest/webrtc)
//	part       a stored media record (ingest/chunk)
//	take       an unbroken stretch of footage (ingest/chunk)
//	gap        records given up, accounted for by shard, range, reason and time
//	space      a namespace of small replicated state
//	mutation   one compare-and-set change of that state
package shardlog
