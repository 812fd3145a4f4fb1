package rules

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"headgate/ingest"
	"headgate/shardlog"
)

// Space holds the rules: key name, value a JSON Row.
const Space shardlog.Space = "iot.rule"

// maxRules is how many rules a site may have.
const maxRules = 100

// Table makes, changes and deletes rules. All its fields are needed, Changed
// excepted. It is safe for concurrent use.
type Table struct {
	States  shardlog.States
	Catalog shardlog.Catalog
	Routes  *ingest.Routes
	Publish Publish
	Now     func() time.Time
	Changed func() // called after each change
}

// Create makes a rule, which sees what is stored from now on. Kinds: Invalid,
// InUse, NotFound when there is no stream of the name, LimitExceeded, those of
// States.
func (t *Table) Create(ctx context.Context, r Rule) (Row, error) {
	if _, err := compile(r, t.Publish); err != nil {
		return Row{}, err
	}
	var streams []shardlog.StreamName
	if r.Kinesis != nil {
		streams = append(streams, r.Kinesis.Stream)
	}
	for _, name := range append(streams, r.Errors) {
		if _, there := t.Catalog.Stream(name); name != "" && !there {
			return Row{}, shardlog.Errorf(shardlog.NotFound, "make rule", "there is no stream %s: make it with headgate streams create %s", name, name)
		}
	}
	if all, err := t.List(ctx); err != nil {
		return Row{}, err
	} else if len(all) >= maxRules {
		return Row{}, shardlog.Errorf(shardlog.LimitExceeded, "make rule", "there are %d rules, the most that a site may have", len(all))
	}
	row := Row{Rule: r, Created: t.Now().UTC()}
	err := t.begin(ctx, &row, shardlog.Absent())
	if err != nil && shardlog.KindOf(err) == shardlog.Conflict {
		return Row{}, shardlog.Errorf(shardlog.InUse, "make rule", "there is a rule %s already", r.Name)
	}
	return row, err
}

// begin stores a rule and, in the same command, where it begins: at the ends
// of the shards.
func (t *Table) begin(ctx context.Context, row *Row, expect shardlog.Expect) error {
	p, err := compile(row.Rule, t.Publish)
	if err != nil {
		return err
	}
	row.ID, row.Since, row.Disabled, row.Streams = strings.ToLower(rand.Text()[:8]), t.Now().UTC(), false, nil
	var places []shardlog.Mutation
	for _, name := range p.reach(t.Routes) {
		stream, there := t.Catalog.Stream(name)
		if !there {
			continue
		}
		row.Streams = append(row.Streams, stream.ID)
		for _, sh := range stream.Shards {
			for _, a := range p.actions {
				places = append(places, cursorAt(sh.ID, consumer(*row, a), sh.Next, shardlog.Absent()))
			}
		}
	}
	return t.save(ctx, *row, expect, places...)
}

// consumer is under which name an action's places are kept.
func consumer(row Row, a action) string {
	return consumerPrefix + row.Name + "/" + row.ID + "/" + a.name()
}

const consumerPrefix = "rule/"

// cursorAt sets a place: what follows it stays on the disk.
func cursorAt(shard shardlog.ShardID, consumer string, next shardlog.Seq, expect shardlog.Expect) shardlog.Mutation {
	return shardlog.Mutation{
		Space: shardlog.Cursors, Key: shardlog.CursorKey(shard, consumer),
		Value: shardlog.EncodeCursor(shardlog.Cursor{Next: next, Pinned: true}), Expect: expect,
	}
}

func (t *Table) save(ctx context.Context, row Row, expect shardlog.Expect, with ...shardlog.Mutation) error {
	b, err := json.Marshal(row)
	if err != nil {
		return err
	}
	if len(b) > shardlog.MaxStateValue {
		return invalid("%s has %d bytes, %d are allowed", row.Name, len(b), shardlog.MaxStateValue)
	}
	err = t.States.Mutate(ctx, append(with, shardlog.Mutation{Space: Space, Key: row.Name, Value: b, Expect: expect})...)
	t.changed()
	return err
}

func (t *Table) changed() {
	if t.Changed != nil {
		t.Changed()
	}
}

// Get finds a rule. Kinds: NotFound, Corrupt, those of States.
func (t *Table) Get(ctx context.Context, name string) (Row, error) {
	row, _, err := t.get(ctx, name)
	return row, err
}

func (t *Table) get(ctx context.Context, name string) (row Row, v shardlog.Version, err error) {
	b, v, err := t.States.Get(ctx, Space, name)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return row, 0, shardlog.Errorf(shardlog.NotFound, "find rule", "there is no rule %s", name)
	}
	if err != nil {
		return row, 0, err
	}
	if err := json.Unmarshal(b, &row); err != nil {
		return row, 0, shardlog.Errorf(shardlog.Corrupt, "read rule", "%s: %w", name, err)
	}
	return row, v, nil
}

// List is all rules by name. Its only error is ctx's, but for a row that
// cannot be read: Corrupt.
func (t *Table) List(ctx context.Context) ([]Row, error) { return list(ctx, t.States) }

func list(ctx context.Context, states shardlog.States) (all []Row, err error) {
	for name, b := range states.List(ctx, Space, "") {
		var row Row
		if err := json.Unmarshal(b, &row); err != nil {
			return all, shardlog.Errorf(shardlog.Corrupt, "read rule", "%s: %w", name, err)
		}
		all = append(all, row)
	}
	slices.SortFunc(all, func(a, b Row) int { return strings.Compare(a.Name, b.Name) })
	return all, ctx.Err()
}

// Disable stops a rule: what is published meanwhile it will never see. Kinds:
// NotFound, those of States.
func (t *Table) Disable(ctx context.Context, name string) error {
	return t.change(ctx, name, func(row Row, v shardlog.Version) error {
		if row.Disabled {
			return nil
		}
		row.Disabled = true
		return t.save(ctx, row, shardlog.At(v), forgotten(ctx, t.States, row)...)
	})
}

// Enable has a rule that was disabled see what is stored from now on. Kinds:
// NotFound, those of States.
func (t *Table) Enable(ctx context.Context, name string) error {
	return t.change(ctx, name, func(row Row, v shardlog.Version) error {
		if !row.Disabled {
			return nil
		}
		return t.begin(ctx, &row, shardlog.At(v))
	})
}

// Delete ends a rule. What it has stored stays. Kinds: NotFound, those of
// States.
func (t *Table) Delete(ctx context.Context, name string) error {
	return t.change(ctx, name, func(row Row, v shardlog.Version) error {
		gone := append(forgotten(ctx, t.States, row), shardlog.Mutation{Space: Space, Key: name, Expect: shardlog.At(v)})
		err := t.States.Mutate(ctx, gone...)
		t.changed()
		return err
	})
}

// forgotten removes the places of a rule: what is on its way then meets no
// place, and is not stored.
func forgotten(ctx context.Context, states shardlog.States, row Row) (gone []shardlog.Mutation) {
	for key := range states.List(ctx, shardlog.Cursors, "") {
		if _, who, err := shardlog.ParseCursorKey(key); err == nil && strings.HasPrefix(who, consumerPrefix+row.Name+"/"+row.ID+"/") {
			gone = append(gone, shardlog.Mutation{Space: shardlog.Cursors, Key: key})
		}
	}
	return gone
}

// change changes a rule, again when somebody else did meanwhile.
func (t *Table) change(ctx context.Context, name string, do func(row Row, v shardlog.Version) error) error {
	for {
		row, v, err := t.get(ctx, name)
		if err != nil {
			return err
		}
		if err = do(row, v); err == nil || shardlog.KindOf(err) != shardlog.Conflict || ctx.Err() != nil {
			return err
		}
	}
}
