// Package onvif finds cameras on the network and asks them where their streams
// are (ONVIF Core and Media Service Specifications, WS-Discovery 1.0). It
// fetches no media and keeps nothing.
package onvif

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Device is a camera that answered.
type Device struct {
	Address string   `json:"address"` // of its device service: http://192.0.2.7/onvif/device_service
	Name    string   `json:"name,omitempty"`
	Model   string   `json:"model,omitempty"`
	Scopes  []string `json:"-"`
}

// group is where devices listen (WS-Discovery §2.4).
const group = "239.255.255.250:3702"

// Bounds of a search.
const (
	maxDevices = 256
	maxProbe   = 64 << 10 // bytes of one answer
)

// Discover asks the networks of this box, each by its own interface, or the
// addresses that are named ("192.0.2.7:3702"), and answers what came back until
// ctx ends. Nothing is believed of what comes: an address is where somebody
// says that a camera is.
func Discover(ctx context.Context, addresses ...string) ([]Device, error) {
	sockets, err := ask(ctx, addresses)
	if err != nil {
		return nil, fmt.Errorf("discover cameras: %w", err)
	}
	all := found{devices: map[string]Device{}}
	var group errgroup.Group
	for _, conn := range sockets {
		group.Go(func() error {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
			return all.listen(ctx, conn)
		})
	}
	if err := group.Wait(); err != nil {
		return all.sorted(), fmt.Errorf("discover cameras: %w", err)
	}
	return all.sorted(), nil
}

// ask sends the question and answers the sockets to which answers come, at
// least one.
func ask(ctx context.Context, addresses []string) (sockets []net.PacketConn, err error) {
	from := []string{""}
	if len(addresses) == 0 {
		addresses, from = []string{group}, interfaces()
	}
	err = errors.New("no network takes the question")
	for _, local := range from {
		// The system sends to a group by the interface that has the address.
		conn, e := (&net.ListenConfig{}).ListenPacket(ctx, "udp4", net.JoinHostPort(local, "0"))
		if e != nil {
			err = e
			continue
		}
		sent := 0
		for _, a := range addresses {
			to, e := net.ResolveUDPAddr("udp4", a)
			if e == nil {
				_, e = conn.WriteTo(probe(), to)
			}
			if e != nil {
				err = e
				continue
			}
			sent++
		}
		if sent == 0 {
			_ = conn.Close()
			continue
		}
		sockets = append(sockets, conn)
	}
	if len(sockets) > 0 {
		return sockets, nil
	}
	return nil, err
}

// interfaces are the addresses of this box in networks where groups can be
// asked, one of each.
func interfaces() (all []string) {
	list, _ := net.Interfaces() // none: nobody can be asked
	for _, one := range list {
		if one.Flags&net.FlagUp == 0 || one.Flags&net.FlagMulticast == 0 || one.Flags&net.FlagLoopback != 0 {
			continue
		}
		addresses, _ := one.Addrs() // as above
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
				all = append(all, n.IP.String())
				break
			}
		}
	}
	return all
}

// found is what has answered.
type found struct {
	mu      sync.Mutex
	devices map[string]Device // guarded by mu: by address
}

// listen takes answers until ctx ends.
func (f *found) listen(ctx context.Context, conn net.PacketConn) error {
	buffer := make([]byte, maxProbe)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if !f.add(matches(buffer[:n], from.(*net.UDPAddr).AddrPort().Addr().Unmap())) {
			return nil
		}
	}
}

// add reports whether there is room for more.
func (f *found) add(devices []Device) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range devices {
		if len(f.devices) < maxDevices {
			f.devices[d.Address] = d
		}
	}
	return len(f.devices) < maxDevices
}

func (f *found) sorted() []Device {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(maps.Values(f.devices), func(a, b Device) int { return strings.Compare(a.Address, b.Address) })
}

// probe is the question for all devices that send video.
func probe() []byte {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" `+
		`xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" `+
		`xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header><w:MessageID>uuid:%x-%x-%x-%x-%x</w:MessageID>`+
		`<w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>`+
		`<w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>`+
		`<e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>`, id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
