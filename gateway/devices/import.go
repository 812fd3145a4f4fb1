package devices

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"headgate/shardlog"
)

// ImportOptions say how an import is done.
type ImportOptions struct {
	// KeepExisting leaves devices alone that are there already: how an import
	// goes on that was broken off. Otherwise they are faults.
	KeepExisting bool
	// DryRun checks everything and writes nothing.
	DryRun bool
}

// Imported is what an import has done.
type Imported struct {
	Created int `json:"created"`
	Kept    int `json:"kept"` // were there already
}

// LineFault is what is wrong with one line of an import.
type LineFault struct {
	Line int    `json:"line"` // counted from 1
	What string `json:"what"`
}

// ImportFaults are the faults of an import, of which nothing was written. There
// are at most 100 of them here; Count is how many there are.
type ImportFaults struct {
	Lines []LineFault
	Count int
}

// Error is the first few faults in words.
func (f *ImportFaults) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d lines cannot be taken, so none was", f.Count)
	for i, l := range f.Lines {
		if i == 5 {
			b.WriteString("; …")
			break
		}
		fmt.Fprintf(&b, "; line %d: %s", l.Line, l.What)
	}
	return b.String()
}

func (f *ImportFaults) add(line int, err error) {
	if f.Count++; len(f.Lines) < mostFaults {
		f.Lines = append(f.Lines, LineFault{line, plain(err)})
	}
}

// plain is an error without what was tried and its kind.
func plain(err error) string {
	var e *shardlog.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// Bounds of an import.
const (
	MaxImport   = 16 << 20 // bytes
	mostLines   = 50_000
	mostFaults  = 100
	importBatch = 256 << 10 // bytes of one change of the state
)

// Import makes the devices of a CSV file (RFC 4180), whose first line names its
// columns: id, and as they are wanted password, groups (apart by ";" or a
// blank), state ("active" or "disabled"), and any other name for an attribute.
// An empty field sets nothing. Every line is checked before anything is
// written; then passwords are hashed, which is most of the time it takes, and
// the devices are written a part at a time. When that breaks off, the answer
// says how many are there; the same import with KeepExisting goes on.
//
// Kinds: Invalid, with *ImportFaults in the chain when it is about lines; those
// of the state.
func (s *Store) Import(ctx context.Context, r io.Reader, o ImportOptions) (Imported, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxImport+1))
	if err != nil {
		return Imported{}, fmt.Errorf("read import: %w", err)
	}
	if len(text) > MaxImport {
		return Imported{}, badImport("it has over %d bytes: import it in parts", MaxImport)
	}
	orders, err := parseImport(text)
	if err != nil {
		return Imported{}, err
	}
	var done Imported
	faults := &ImportFaults{}
	orders = slices.DeleteFunc(orders, func(l importLine) bool {
		_, _, getErr := s.c.States.Get(ctx, deviceSpace, l.ID)
		switch {
		case getErr == nil && o.KeepExisting:
			done.Kept++
			return true
		case getErr == nil:
			faults.add(l.line, fmt.Errorf("there is a device %s already", l.ID))
		case shardlog.KindOf(getErr) != shardlog.NotFound && err == nil:
			err = getErr
		}
		return false
	})
	if err != nil {
		return Imported{}, err
	}
	if faults.Count > 0 {
		return Imported{}, &shardlog.Error{Kind: shardlog.Invalid, Op: "import devices", Err: faults}
	}
	if o.DryRun {
		return done, nil
	}
	rows, err := s.hashAll(ctx, orders)
	if err != nil {
		return done, err
	}
	done.Created, err = s.writeAll(ctx, orders, rows)
	return done, err
}

// hashAll makes the rows of the devices.
func (s *Store) hashAll(ctx context.Context, orders []importLine) ([][]byte, error) {
	rows := make([][]byte, len(orders))
	var mu sync.Mutex // guards rows
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, s.c.Hashes-1)) // devices connect meanwhile
	for i, l := range orders {
		g.Go(func() error {
			r := s.rowOf(l.Order)
			if l.Password != "" {
				hash, err := s.hasher.hash(ctx, []byte(l.Password))
				if err != nil {
					return err
				}
				r.Passwords = []string{hash}
			}
			mu.Lock()
			defer mu.Unlock()
			rows[i] = r.text()
			return nil
		})
	}
	return rows, g.Wait()
}

// writeAll writes the rows, and answers how many are there.
func (s *Store) writeAll(ctx context.Context, orders []importLine, rows [][]byte) (n int, err error) {
	for n < len(rows) {
		var with []shardlog.Mutation
		size := 0
		for at := n; at < len(rows) && size < importBatch; at++ {
			with = append(with, shardlog.Mutation{Space: deviceSpace, Key: orders[at].ID, Value: rows[at], Expect: shardlog.Absent()})
			size += len(rows[at])
		}
		if err := s.c.States.Mutate(ctx, append(with, mark())...); err != nil {
			return n, fmt.Errorf("import devices: %d of %d are there, import again and keep existing ones: %w", n, len(rows), err)
		}
		n += len(with)
	}
	return n, nil
}

// importLine is a device, and the line that it stands on.
type importLine struct {
	Order
	line int
}

func badImport(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "import devices", format, args...)
}

// parseImport reads a CSV file of devices. Kind Invalid.
func parseImport(text []byte) ([]importLine, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		return nil, badImport("it is no UTF-8 text")
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		return nil, badImport("its first line has to name the columns: %w", err)
	}
	columns, err := parseColumns(head)
	if err != nil {
		return nil, err
	}
	faults, seen, all := &ImportFaults{}, map[string]int{}, []importLine{}
	for lines := 0; ; lines++ {
		fields, err := r.Read()
		if err == io.EOF {
			break
		}
		if lines == mostLines {
			return nil, badImport("it has over %d lines: import it in parts", mostLines)
		}
		if err != nil {
			line := 0
			if p := (*csv.ParseError)(nil); errors.As(err, &p) {
				line, err = p.StartLine, p.Err
			}
			faults.add(line, err)
			continue
		}
		line, _ := r.FieldPos(0)
		l, err := lineOf(columns, fields, line)
		if before, twice := seen[l.ID]; twice && err == nil {
			err = fmt.Errorf("device %s stands on line %d already", l.ID, before)
		}
		if err != nil {
			faults.add(line, err)
			continue
		}
		seen[l.ID] = line
		all = append(all, l)
	}
	if faults.Count > 0 {
		return nil, &shardlog.Error{Kind: shardlog.Invalid, Op: "import devices", Err: faults}
	}
	return all, nil
}

// Columns that are no attributes.
const (
	columnID       = "id"
	columnPassword = "password"
	columnGroups   = "groups"
	columnState    = "state"
)

// columns are those that are no attributes.
func columns() []string { return []string{columnID, columnPassword, columnGroups, columnState} }

func parseColumns(head []string) ([]string, error) {
	var columns []string
	for i, name := range head {
		name = strings.TrimSpace(name)
		if !isName(name) {
			return nil, badImport("column %d: %.80q cannot be the name of an attribute", i+1, name)
		}
		if slices.Contains(columns, name) {
			return nil, badImport("column %s stands there twice", name)
		}
		columns = append(columns, name)
	}
	if !slices.Contains(columns, columnID) {
		return nil, badImport("there is no column %q: the first line names the columns", columnID)
	}
	return columns, nil
}

func lineOf(columns, fields []string, line int) (importLine, error) {
	l := importLine{line: line}
	for i, name := range columns {
		value := strings.Clone(fields[i])
		if name != columnPassword {
			value = strings.TrimSpace(value)
		}
		switch {
		case name == columnID:
			l.ID = value
		case value == "":
		case name == columnPassword:
			l.Password = value
		case name == columnGroups:
			l.Groups = strings.FieldsFunc(value, func(r rune) bool { return r == ';' || r == ' ' })
		case name == columnState:
			if value != string(Active) && value != string(Disabled) {
				return l, fmt.Errorf("%.40q is no state: use %s or %s", value, Active, Disabled)
			}
			l.Disabled = value == string(Disabled)
		default:
			if l.Attributes == nil {
				l.Attributes = map[string]string{}
			}
			l.Attributes[name] = value
		}
	}
	return l, l.check("import devices")
}
