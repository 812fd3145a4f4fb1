// Package simulation proves what a site of gateways promises: whole gateways,
// wired as package gateway wires them, live through seeded histories in
// synctest bubbles, on disks in memory that crash, over a network in memory
// that delays, loses, reorders and parts, in virtual time. It tests; it holds
// no code of the product and knows nothing of doors, TLS and processes.
//
// The seed of a history fixes its operations, its faults and their times; the
// order in which goroutines run it does not fix. So a history that fails is
// printed whole and run again 100 times, to say how often it fails.
//
//	go test ./deploy/prove/simulation                              some histories
//	HEADGATE_HISTORIES=10000 go test -timeout 0 ./deploy/prove/simulation
//	HEADGATE_SEED=17 go test -v ./deploy/prove/simulation          one, printed whole
//	HEADGATE_SEED=17 HEADGATE_LOG=1 go test -v …                   with what the gateways log
//	HEADGATE_FROM=20000 HEADGATE_HISTORIES=…                       other seeds
//	HEADGATE_MINUTES=15                                            as many as fit
//
// What a history may hold is in plan_test.go, what is checked in check_test.go.
package simulation
