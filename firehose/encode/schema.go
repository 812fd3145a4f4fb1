package encode

import (
	"fmt"

	"headgate/shardlog"
)

// Schema says how JSON records become rows of a file of columns.
type Schema struct {
	Format      string   `json:"format,omitempty" yaml:"format,omitempty"`           // parquet (default)
	Compression string   `json:"compression,omitempty" yaml:"compression,omitempty"` // of pages: snappy (default), gzip, zstd, none
	Columns     []Column `json:"columns" yaml:"columns"`
}

// Column is one column. Its name is in lower case, as catalogs of tables want
// it.
type Column struct {
	Name     string `json:"name" yaml:"name"`                             // [a-z_][a-z0-9_]*
	Type     string `json:"type" yaml:"type"`                             // boolean, int, bigint, float, double, string, timestamp, date or json
	Path     string `json:"path,omitempty" yaml:"path,omitempty"`         // of the value in the record, names with dots between them; default the name
	Required bool   `json:"required,omitempty" yaml:"required,omitempty"` // refuse a record without it
}

// Parquet is the name of a Schema's format.
const Parquet = "parquet"

const maxColumns = 1000

// Validate answers Invalid with the first thing that is wrong.
func (s Schema) Validate() error {
	wrong := func(format string, args ...any) error {
		return shardlog.Errorf(shardlog.Invalid, "check schema", format, args...)
	}
	switch s.Format {
	case Parquet, "":
	case "orc":
		return wrong("ORC is not written: no library for it in Go is maintained; choose parquet, which the same readers take")
	default:
		return wrong("format %q is unknown; parquet is known", s.Format)
	}
	if _, err := pageCodec(s.Compression); err != nil {
		return wrong("%w", err)
	}
	if len(s.Columns) == 0 || len(s.Columns) > maxColumns {
		return wrong("%d columns, 1 to %d are allowed", len(s.Columns), maxColumns)
	}
	seen := map[string]bool{}
	for _, c := range s.Columns {
		if err := c.check(); err != nil {
			return wrong("column %q: %w", c.Name, err)
		}
		if seen[c.Name] {
			return wrong("column %q is there twice", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

func (c Column) check() error {
	for i, r := range c.Name {
		if r != '_' && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return fmt.Errorf("names hold a-z, 0-9 and _, and begin with no digit")
		}
	}
	if c.Name == "" || len(c.Name) > 255 {
		return fmt.Errorf("names have 1 to 255 characters")
	}
	if _, known := types[c.Type]; !known {
		return fmt.Errorf("type %q is unknown; boolean, int, bigint, float, double, string, timestamp, date and json are known", c.Type)
	}
	return nil
}
