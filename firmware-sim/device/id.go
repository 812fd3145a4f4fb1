package device

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrID says that a text names no device of ours.
var ErrID = errors.New("no device id")

// Kind is a kind of sensor.
type Kind string

// The kinds.
const (
	Temperature Kind = "temp"   // climate probe, about 145 bytes
	GPS         Kind = "gps"    // vehicle tracker, about 205 bytes
	Vibration   Kind = "vib"    // accelerometer with an array of samples, about 330 bytes
	Energy      Kind = "energy" // electricity meter
	Door        Kind = "door"   // opens and closes
	Motion      Kind = "motion" // something moved in a zone
)

// Kinds are all kinds there are.
func Kinds() []Kind { return []Kind{Temperature, GPS, Vibration, Energy, Door, Motion} }

// ParseKind finds a kind by its name.
func ParseKind(text string) (Kind, error) {
	for _, k := range Kinds() {
		if string(k) == text {
			return k, nil
		}
	}
	return "", fmt.Errorf("%q is no kind of device; there are %v", text, Kinds())
}

// ID names a device: its kind and its number in the fleet.
type ID struct {
	Kind   Kind
	Number uint32
}

// String is the id as it stands in payloads, topics and client ids: "temp-00017".
func (id ID) String() string { return fmt.Sprintf("%s-%05d", id.Kind, id.Number) }

// ParseID reads what String wrote. Anything else is ErrID.
func ParseID(text string) (ID, error) {
	name, number, found := strings.Cut(text, "-")
	if !found {
		return ID{}, fmt.Errorf("%q: %w", text, ErrID)
	}
	kind, err := ParseKind(name)
	if err != nil {
		return ID{}, fmt.Errorf("%q: %w", text, ErrID)
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return ID{}, fmt.Errorf("%q: %w", text, ErrID)
	}
	id := ID{Kind: kind, Number: uint32(n)}
	if id.String() != text {
		return ID{}, fmt.Errorf("%q: %w", text, ErrID)
	}
	return id, nil
}
