package onvif

import (
	"bytes"
	"encoding/xml"
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"headgate/shardlog"
)

// maxText bounds one name or address that a device tells.
const maxText = 2048

// matches reads an answer to a probe, which came from an address; what is none
// has no devices. Of the addresses that a device names, the one from which it
// answered counts, else the first.
func matches(text []byte, from netip.Addr) []Device {
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
		d := Device{Scopes: strings.Fields(m.Scopes)}
		for _, address := range strings.Fields(m.XAddrs) {
			u, err := service(address)
			if err != nil {
				continue
			}
			if host, err := netip.ParseAddr(u.Hostname()); d.Address == "" || err == nil && host.Unmap() == from {
				d.Address = address
			}
		}
		if d.Address == "" {
			continue
		}
		for _, s := range d.Scopes {
			d.scope(s)
		}
		all = append(all, d)
	}
	return all
}

// scope takes what one scope says.
func (d *Device) scope(s string) {
	if name, ok := strings.CutPrefix(s, "onvif://www.onvif.org/name/"); ok {
		d.Name = unescaped(name)
	}
	if model, ok := strings.CutPrefix(s, "onvif://www.onvif.org/hardware/"); ok {
		d.Model = unescaped(model)
	}
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// service reads the address of a service. Kind Invalid.
func service(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxText || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "ask camera", "%.100q is no service's address", address)
	}
	return u, nil
}

// decode reads XML that somebody else wrote: the first element and what is in
// it, no entities but XML's own.
func decode(text []byte, into any) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.Entity = nil
	if err := d.Decode(into); err != nil {
		return shardlog.Errorf(shardlog.Invalid, "read ONVIF answer", "%w", errors.New("it is no XML that can be read"))
	}
	return nil
}
