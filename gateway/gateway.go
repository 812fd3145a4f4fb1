// Package gateway is the roof of the house: it reads the configuration, wires
// the rooms together and runs them. It knows every room and no protocol.
package gateway
