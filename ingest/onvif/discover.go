// Package onvif finds cameras on the network and asks them where their streams
// are (ONVIF Core and Media Service Specifications, WS-Discovery 1.0). It
// fetches no media and keeps nothing.
package onvif

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"headgate/shardlog"
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

// Discover asks the networks of this box, or the addresses that are named,
// and answers what came back until ctx ends.
func Discover(ctx context.Context, addresses ...string) ([]Device, error) {
	if len(addresses) == 0 {
		addresses = []string{group}
	}
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp4", ":0")
	if err != nil {
		return nil, fmt.Errorf("discover cameras: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	question := probe()
	sent := 0
	for _, a := range addresses {
		to, e := net.ResolveUDPAddr("udp4", a)
		if e == nil {
			_, e = conn.WriteTo(question, to)
		}
		if e != nil {
			err = e
			continue
		}
		sent++
	}
	if sent == 0 {
		return nil, fmt.Errorf("discover cameras: %w", err)
	}
	var found []Device
	buffer := make([]byte, maxProbe)
	for len(found) < maxDevices {
		n, _, err := conn.ReadFrom(buffer)
		if err != nil {
			if ctx.Err() != nil {
				return found, nil
			}
			return found, fmt.Errorf("discover cameras: %w", err)
		}
		for _, d := range matches(buffer[:n]) {
			if !slices.ContainsFunc(found, func(o Device) bool { return o.Address == d.Address }) {
				found = append(found, d)
			}
		}
	}
	return found, nil
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

// matches reads an answer; what is none has no devices.
func matches(text []byte) []Device {
	var answer struct {
		Matches []struct {
			Scopes string `xml:"Scopes"`
			XAddrs string `xml:"XAddrs"`
		} `xml:"Body>ProbeMatches>ProbeMatch"`
	}
	if decode(text, &answer) != nil {
		return nil
	}
	var all []Device
	for _, m := range answer.Matches {
		for _, address := range strings.Fields(m.XAddrs) {
			if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
				continue
			}
			d := Device{Address: address, Scopes: strings.Fields(m.Scopes)}
			for _, s := range d.Scopes {
				if name, ok := strings.CutPrefix(s, "onvif://www.onvif.org/name/"); ok {
					d.Name = name
				}
				if model, ok := strings.CutPrefix(s, "onvif://www.onvif.org/hardware/"); ok {
					d.Model = model
				}
			}
			all = append(all, d)
			break
		}
	}
	return all
}

// decode reads XML that somebody else wrote: no entities, no directives.
func decode(text []byte, into any) error {
	d := xml.NewDecoder(strings.NewReader(string(text)))
	d.Strict, d.Entity = true, nil
	if err := d.Decode(into); err != nil {
		return shardlog.Errorf(shardlog.Invalid, "read ONVIF answer", "%w", errors.New("it is no XML that can be read"))
	}
	return nil
}
