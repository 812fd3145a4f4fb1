// Package lab is a site of hosts on one machine: network namespaces whose
// packets this process carries over links with delay, loss, rates and cuts
// that change while everything runs. It does not know what runs on the hosts.
//
// Each host is a namespace of its own with a loopback and one TUN device,
// "wan", at 10.77.0.1, 10.77.0.2 and so on; hosts are numbered from 1. Nothing
// outside those namespaces is touched, and they lead nowhere but to each
// other. A lab needs root and /dev/net/tun; Available says what is missing.
//
// Close takes everything down. After a crash the next New does it: the
// commands die with the lab, and what is left of a lab whose process is gone
// is found by its lock and removed.
package lab
