package lab

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

const (
	tunPath    = "/dev/net/tun"
	deviceName = "wan"
	defaultMTU = 1500
)

// openDevice makes the TUN device of the namespace that this thread is in,
// with the loopback beside it. Closing the file removes the device.
func openDevice(address netip.Addr, mtu int) (*os.File, error) {
	if mtu == 0 {
		mtu = defaultMTU
	}
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", tunPath, err)
	}
	if err := configure(fd, address, mtu); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), tunPath), nil
}

func configure(tun int, address netip.Addr, mtu int) error {
	ctl, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer unix.Close(ctl)
	host, mask := address.As4(), []byte{255, 255, 255, 0}
	for _, step := range []struct {
		what, device string
		fd           int
		request      uint
		value        func(*unix.Ifreq) error
	}{
		{"make device", deviceName, tun, unix.TUNSETIFF, short(unix.IFF_TUN | unix.IFF_NO_PI)},
		{"set address", deviceName, ctl, unix.SIOCSIFADDR, inet(host[:])},
		{"set netmask", deviceName, ctl, unix.SIOCSIFNETMASK, inet(mask)},
		{"set MTU", deviceName, ctl, unix.SIOCSIFMTU, word(uint32(mtu))},
		{"set queue", deviceName, ctl, unix.SIOCSIFTXQLEN, word(1000)},
		{"start device", deviceName, ctl, unix.SIOCSIFFLAGS, short(unix.IFF_UP | unix.IFF_RUNNING)},
		{"start loopback", "lo", ctl, unix.SIOCSIFFLAGS, short(unix.IFF_UP | unix.IFF_RUNNING)},
	} {
		request, err := unix.NewIfreq(step.device)
		if err == nil {
			err = step.value(request)
		}
		if err == nil {
			err = unix.IoctlIfreq(step.fd, step.request, request)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

func short(v uint16) func(*unix.Ifreq) error {
	return func(r *unix.Ifreq) error { r.SetUint16(v); return nil }
}

func word(v uint32) func(*unix.Ifreq) error {
	return func(r *unix.Ifreq) error { r.SetUint32(v); return nil }
}

func inet(v []byte) func(*unix.Ifreq) error {
	return func(r *unix.Ifreq) error { return r.SetInet4Addr(v) }
}
