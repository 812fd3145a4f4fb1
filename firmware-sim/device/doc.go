// Package device is one simulated device: sensors with believable signals
// whose payload n is a pure function of seed, clock, device and n, so that a
// checker recomputes what it reads instead of remembering what was sent; and
// the ring file in which a device keeps what it could not send yet. It knows
// no network and no protocol.
//
// All signals are integer arithmetic, so every processor computes the same bytes.
package device
