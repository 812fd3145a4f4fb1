package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// Host is one host of a lab: a network namespace with a loopback and the
// device "wan". All methods may be called at the same time.
type Host struct {
	lab     *Lab
	number  int
	space   *namespace
	device  *os.File
	address netip.Addr
}

// addressOf is the address of the host of that number.
func addressOf(number int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 0, byte(number)}) }

func newHost(l *Lab, number, mtu int) (*Host, error) {
	space, err := newNamespace(l.claim.name(number))
	if err != nil {
		return nil, err
	}
	h := &Host{lab: l, number: number, space: space, address: addressOf(number)}
	err = space.inside(func() (err error) {
		h.device, err = openDevice(h.address, mtu)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, space.remove())
	}
	return h, nil
}

// Number is the host's number, from 1.
func (h *Host) Number() int { return h.number }

// Name is "h1" for host 1; Dial knows it.
func (h *Host) Name() string { return "h" + strconv.Itoa(h.number) }

// Address is where the other hosts reach this one: 10.77.0.1 for host 1.
func (h *Host) Address() string { return h.address.String() }

// Namespace is the host's name for `ip netns exec`.
func (h *Host) Namespace() string { return h.space.name }

// Command is a command that will run on the host. It is the named program
// itself that runs under the process id of the Cmd, so that signals reach it;
// it dies with the lab's process.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + h.space.path(), "--", name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Dial connects from the host, to an address by number or to a host by name:
// "127.0.0.1:4567", "10.77.0.2:4567", "h2:4567".
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	if address, err = h.lab.resolve(address); err != nil {
		return nil, err
	}
	err = h.space.inside(func() (err error) {
		var d net.Dialer
		c, err = d.DialContext(ctx, network, address) // one address: dialled on this thread
		return err
	})
	return c, err
}

// Listen listens on the host for TCP connections.
func (h *Host) Listen(ctx context.Context, address string) (l net.Listener, err error) {
	err = h.space.inside(func() (err error) {
		var c net.ListenConfig
		l, err = c.Listen(ctx, "tcp4", address)
		return err
	})
	return l, err
}

// ListenPacket listens on the host for UDP packets.
func (h *Host) ListenPacket(ctx context.Context, address string) (p net.PacketConn, err error) {
	err = h.space.inside(func() (err error) {
		var c net.ListenConfig
		p, err = c.ListenPacket(ctx, "udp4", address)
		return err
	})
	return p, err
}

// resolve writes the number of a host for its name. It asks no other names:
// looking them up would leave the thread that is inside the host.
func (l *Lab) resolve(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("dial %q: %w", address, err)
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(host, "h")); err == nil && strings.HasPrefix(host, "h") && n >= 1 && n <= len(l.hosts) {
		return net.JoinHostPort(addressOf(n).String(), port), nil
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return "", fmt.Errorf("dial %q: no address and no host of this lab", address)
	}
	return address, nil
}

func (h *Host) close() error {
	return errors.Join(h.space.killAll(), h.device.Close(), h.space.remove())
}
