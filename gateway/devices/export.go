package devices

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Export writes the devices whose ids begin with the prefix as CSV, in the form
// that Import reads: without passwords and certificates, which stay here.
// Revoked and damaged devices are left out, since no import could make them.
// It answers how many devices it wrote.
func (s *Store) Export(ctx context.Context, w io.Writer, prefix string) (n int, err error) {
	all := slices.DeleteFunc(s.List(ctx, prefix), func(d Device) bool { return d.State != Active && d.State != Disabled })
	names := map[string]bool{}
	for _, d := range all {
		for name := range d.Attributes {
			names[name] = true
		}
	}
	attributes := slices.Sorted(maps.Keys(names))
	out := csv.NewWriter(w)
	if err := out.Write(append([]string{columnID, columnState, columnGroups}, attributes...)); err != nil {
		return 0, fmt.Errorf("export devices: %w", err)
	}
	for _, d := range all {
		line := []string{d.ID, string(d.State), strings.Join(d.Groups, ";")}
		for _, name := range attributes {
			line = append(line, d.Attributes[name])
		}
		if err := out.Write(line); err != nil {
			return n, fmt.Errorf("export devices: %w", err)
		}
		n++
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return 0, fmt.Errorf("export devices: %w", err)
	}
	return n, nil
}
