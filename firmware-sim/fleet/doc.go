// Package fleet runs many simulated devices in one process, each with its own
// MQTT connection, and checks afterwards that what was acknowledged to them can
// be read again: nothing missing, nothing altered, nothing out of order. It
// knows nothing of the gateway beyond MQTT 3.1.1 and 5 and records given as JSON lines.
//
// A device sends with many messages in flight, keeps what it cannot send in a
// ring file when it has one, reconnects with a jittered back-off, to the next of
// several brokers when one fails it, and repeats
// what was not acknowledged: QoS 1 at least once, QoS 2 exactly once.
// Every acknowledgement is written to the oracle file and synced before it is counted.
package fleet
