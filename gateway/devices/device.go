package devices

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"headgate/shardlog"
)

// State is whether a device may connect.
type State string

// The states of a device.
const (
	Active   State = "active"
	Disabled State = "disabled" // until it is enabled
	Revoked  State = "revoked"  // for good; its certificates are on the list
	Damaged  State = "damaged"  // its row cannot be understood here
)

// Device is a device as its owner sees it: without its secrets.
type Device struct {
	ID           string            `json:"id"`
	State        State             `json:"state"`
	Groups       []string          `json:"groups,omitempty"`
	Attributes   map[string]string `json:"attributes,omitempty"`
	Created      time.Time         `json:"created,omitzero"`
	Passwords    int               `json:"passwords"` // 2 while a new one waits for its first use
	Certificates []Certificate     `json:"certificates,omitempty"`
}

// Certificate is a client certificate that a device is known by.
type Certificate struct {
	Serial      string    `json:"serial"`            // hexadecimal
	Fingerprint string    `json:"fingerprint"`       // SHA-256 of the public key (PKIX), hexadecimal
	Issued      time.Time `json:"issued,omitzero"`   // by the clock of the gateway that signed
	NotAfter    time.Time `json:"notAfter,omitzero"` // zero while it was not used since the clock is trusted
	Waiting     bool      `json:"waiting,omitempty"` // it was not used yet; the older one is still good
}

// Details are what people say about a device: they stand in rules as ${group}
// and ${attr.NAME}.
type Details struct {
	Groups     []string          `json:"groups,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Limits of what a device is described by. An id has to fit into the common
// name of a certificate (RFC 5280, ub-common-name).
const (
	MaxID         = 64
	MaxGroups     = 16
	MaxAttributes = 32
	MaxName       = 64  // bytes of a group's or an attribute's name
	MaxValue      = 256 // bytes of an attribute's value
)

// IsDeviceID reports whether a device may have that id: 1 to 64 letters,
// digits and . _ - : @ ~, of which the first is a letter or a digit.
func IsDeviceID(id string) bool {
	if id == "" || len(id) > MaxID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if isWord(c) && (i > 0 || c != '_') {
			continue
		}
		if i == 0 || c != '.' && c != '-' && c != ':' && c != '@' && c != '~' {
			return false
		}
	}
	return true
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_'
}

func checkID(op, id string) error {
	if !IsDeviceID(id) {
		return shardlog.Errorf(shardlog.Invalid, op, "%.80q cannot be the id of a device: use 1 to %d letters, digits and . _ - : @ ~, a letter or digit first", id, MaxID)
	}
	return nil
}

// CheckClientID refuses client ids that mean something else inside a topic or
// a filter, or that cannot be seen: with + # / $, blanks, control characters
// or bytes that are no UTF-8, empty ones, and those over 128 bytes. Kind
// Invalid.
func CheckClientID(id string) error {
	const op = "check client id"
	switch {
	case id == "":
		return shardlog.Errorf(shardlog.Invalid, op, "it is empty")
	case len(id) > maxClientID:
		return shardlog.Errorf(shardlog.Invalid, op, "it has %d bytes, %d are allowed", len(id), maxClientID)
	case !utf8.ValidString(id):
		return shardlog.Errorf(shardlog.Invalid, op, "%.80q is no UTF-8", id)
	}
	for _, r := range id {
		if r == '+' || r == '#' || r == '/' || r == '$' || unicode.IsSpace(r) || !unicode.IsGraphic(r) {
			return shardlog.Errorf(shardlog.Invalid, op, "%.80q holds %q, which no client id may", id, r)
		}
	}
	return nil
}

const maxClientID = 128

// check answers what is wrong with the details, in words.
func (d Details) check(op string) error {
	if len(d.Groups) > MaxGroups {
		return shardlog.Errorf(shardlog.Invalid, op, "%d groups, %d are allowed", len(d.Groups), MaxGroups)
	}
	for i, g := range d.Groups {
		if !isName(g) {
			return shardlog.Errorf(shardlog.Invalid, op, "%.80q cannot be a group: use 1 to %d letters, digits and _ - .", g, MaxName)
		}
		if slices.Contains(d.Groups[:i], g) {
			return shardlog.Errorf(shardlog.Invalid, op, "group %s stands there twice", g)
		}
	}
	if len(d.Attributes) > MaxAttributes {
		return shardlog.Errorf(shardlog.Invalid, op, "%d attributes, %d are allowed", len(d.Attributes), MaxAttributes)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Attributes)) {
		if !isName(name) {
			return shardlog.Errorf(shardlog.Invalid, op, "%.80q cannot be an attribute: use 1 to %d letters, digits and _ - .", name, MaxName)
		}
		if slices.Contains(columns(), name) {
			return shardlog.Errorf(shardlog.Invalid, op, "an attribute cannot be called %s: that is a column of imports", name)
		}
		if value := d.Attributes[name]; !isValue(value) {
			return shardlog.Errorf(shardlog.Invalid, op, "attribute %s: a value is 1 to %d bytes of text without control characters, and without blanks around it", name, MaxValue)
		}
	}
	return nil
}

func (d Details) clone() Details {
	return Details{Groups: slices.Clone(d.Groups), Attributes: maps.Clone(d.Attributes)}
}

func isName(name string) bool {
	if name == "" || len(name) > MaxName {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !isWord(c) && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isValue(value string) bool {
	if value == "" || len(value) > MaxValue || !utf8.ValidString(value) || strings.TrimSpace(value) != value {
		return false
	}
	for _, r := range value {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}
