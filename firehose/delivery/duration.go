package delivery

import (
	"strconv"
	"time"
)

// Duration is a time.Duration that is written "300s" or, in seconds, "300".
type Duration time.Duration

// MarshalText writes the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads Go's form, or whole seconds. Anything else is Invalid.
func (d *Duration) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseInt(string(text), 10, 32); err == nil {
		*d = Duration(time.Duration(n) * time.Second)
		return nil
	}
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return invalid("%q is no duration such as 300s or 5m", text)
	}
	*d = Duration(v)
	return nil
}
