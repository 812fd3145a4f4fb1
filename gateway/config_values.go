package gateway

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// ParseBytes reads a number of bytes: digits with an optional unit, KB, MB,
// GB, TB for powers of 1000, KiB, MiB, GiB, TiB (or K, M, G, T) for powers of 1024.
func ParseBytes(text string) (Bytes, error) {
	trimmed := strings.TrimSpace(text)
	digits := strings.TrimRight(trimmed, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit, ok := byteUnits[strings.ToLower(strings.TrimSpace(trimmed[len(digits):]))]
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !ok || n < 0 || n*unit >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is no number of bytes: write 4096, 64MB or 1.5GiB", text)
	}
	return Bytes(n * unit), nil
}

var byteUnits = map[string]float64{
	"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// String is the number in the largest binary unit that keeps it above one.
func (b Bytes) String() string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	n, unit := float64(b), 0
	for n >= 1024 && unit < len(units)-1 {
		n, unit = n/1024, unit+1
	}
	if unit == 0 || n >= 100 {
		return fmt.Sprintf("%.0f %s", n, units[unit])
	}
	return fmt.Sprintf("%.1f %s", n, units[unit])
}

// ParseDuration reads a span of time as package time does, and whole days as 7d.
func ParseDuration(text string) (Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100_000 {
			return Duration(n) * Duration(24*time.Hour), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no span of time: write 90s, 24h or 7d", text)
	}
	return Duration(d), nil
}

// ParseLimits reads kinesis, off, or a multiple such as 2x.
func ParseLimits(text string) (Limits, error) {
	switch text {
	case "kinesis":
		return 1, nil
	case "off":
		return 0, nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64)
	if err != nil || n <= 0 || n > 1e6 || !strings.HasSuffix(text, "x") {
		return 0, fmt.Errorf("%q is no limit: write kinesis, off, or a multiple such as 2x", text)
	}
	return Limits(n), nil
}

// String is the limits as ParseLimits reads them.
func (l Limits) String() string {
	switch l {
	case 0:
		return "off"
	case 1:
		return "kinesis"
	}
	return strconv.FormatFloat(float64(l), 'g', -1, 64) + "x"
}

// ParseProfile reads the name of a profile.
func ParseProfile(text string) (Profile, error) {
	if p := Profile(text); p == ProfileDefault || p == ProfileFlash || p == ProfileSSD {
		return p, nil
	}
	return "", fmt.Errorf("%q is no profile: write default, flash or ssd", text)
}

// UnmarshalYAML reads the value where it stands in the file.
func (b *Bytes) UnmarshalYAML(n ast.Node) error { return scalar(n, b, ParseBytes) }

// UnmarshalYAML reads the value where it stands in the file.
func (d *Duration) UnmarshalYAML(n ast.Node) error { return scalar(n, d, ParseDuration) }

// UnmarshalYAML reads the value where it stands in the file.
func (l *Limits) UnmarshalYAML(n ast.Node) error { return scalar(n, l, ParseLimits) }

// UnmarshalYAML reads the value where it stands in the file.
func (p *Profile) UnmarshalYAML(n ast.Node) error { return scalar(n, p, ParseProfile) }

// scalar reads one value and, when it is bad, says so at its line and column.
func scalar[T any](n ast.Node, into *T, parse func(string) (T, error)) error {
	if _, ok := n.(ast.ScalarNode); !ok {
		return &yaml.SyntaxError{Message: "one value is wanted here", Token: n.GetToken()}
	}
	value, err := parse(n.GetToken().Value)
	if err != nil {
		return &yaml.SyntaxError{Message: err.Error(), Token: n.GetToken()}
	}
	*into = value
	return nil
}
