package dynamoapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

func itemPrefix(table string) string { return "item/" + table + "/" }

// prefixOf is the table's of an item's place.
func prefixOf(at string) string { return at[:strings.LastIndexByte(at, '/')+1] }

// itemKey is where an item of that key lies: hash and range in hex, so that
// whatever they hold names one place.
func (t *table) itemKey(key item) (string, error) {
	hash, ranged := hashAndRange(t.Schema)
	at := itemPrefix(t.ID)
	for i, name := range []string{hash, ranged} {
		if name == "" {
			continue
		}
		v, ok := key[name]
		if !ok {
			return "", awsapi.Invalid("One or more parameter values were invalid: Missing the key %s in the item", name)
		}
		if v.kind != t.typeOf(name) {
			return "", awsapi.Invalid("One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s", name, t.typeOf(name), v.kind)
		}
		if v.text == "" && len(v.bytes) == 0 {
			return "", awsapi.Invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty value. Key: %s", name)
		}
		if i > 0 {
			at += "."
		}
		at += hex.EncodeToString([]byte(v.text)) + hex.EncodeToString(v.bytes)
	}
	if len(at) > shardlog.MaxStateKey {
		return "", awsapi.Invalid("One or more parameter values were invalid: Size of the key is more than this gateway keeps")
	}
	return at, nil
}

// onlyKey is itemKey of a key that a request gives by itself.
func (t *table) onlyKey(key item) (string, error) {
	if len(key) != len(t.Schema) {
		return "", awsapi.Invalid("The provided key element does not match the schema")
	}
	at, err := t.itemKey(key)
	if err != nil {
		return "", awsapi.Invalid("The provided key element does not match the schema")
	}
	return at, nil
}

// read is the item at a place, nil for none, with its version.
func (a *API) read(ctx context.Context, at string) (item, shardlog.Version, error) {
	text, v, err := a.states.Get(ctx, space, at)
	if shardlog.KindOf(err) == shardlog.NotFound {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	var it item
	if err := json.Unmarshal(text, &it); err != nil {
		return nil, 0, shardlog.Errorf(shardlog.Corrupt, "read item", "%w", err)
	}
	return it, v, nil
}

// all are a table's items. They count against the memory of the call.
func (a *API) all(ctx context.Context, c *awsapi.Call, t *table) (items []item, err error) {
	const decoded = 8 // times the size of its text is what an item takes, about
	for _, text := range a.states.List(ctx, space, itemPrefix(t.ID)) {
		if err := c.Hold(ctx, decoded*int64(len(text))); err != nil {
			return nil, err
		}
		var it item
		if err := json.Unmarshal(text, &it); err != nil {
			return nil, shardlog.Errorf(shardlog.Corrupt, "read item", "%w", err)
		}
		items = append(items, it)
	}
	return items, nil
}

// patience is how long a change is tried again while others change the same
// item, or this gateway is behind.
const patience = 5 * time.Second

// again reports whether a change that ended so is to be made again, from what
// is there then; if not, with what error.
func (a *API) again(ctx context.Context, err error, try int) (bool, error) {
	if err == nil || shardlog.KindOf(err) != shardlog.Conflict {
		return false, err
	}
	const step = 5 * time.Millisecond
	if time.Duration(try*(try+1)/2)*step > patience {
		return false, awsapi.Fail(transactConflict, "Transaction is ongoing for the item")
	}
	t := time.NewTimer(time.Duration(try) * step)
	defer t.Stop()
	select {
	case <-t.C:
		return true, nil
	case <-ctx.Done():
		return false, shardlog.Errorf(shardlog.Unavailable, "change item", "%w", ctx.Err())
	}
}

// change is one change of an item: next makes of what is there what is to be,
// nil for nothing, or says why not.
type change struct {
	at   string
	next func(old item) (item, error)
}

// outcome is what a change found, and what it made of it.
type outcome struct{ old, new item }

// apply makes changes, all or none. A condition that does not hold is answered
// only when what was read is surely the latest: on another gateway's word, if
// there are others.
func (a *API) apply(ctx context.Context, changes ...change) ([]outcome, int, error) {
	for try := 0; ; try++ {
		made, mutations, failed, why := make([]outcome, len(changes)), make([]shardlog.Mutation, len(changes)), -1, error(nil)
		for i, c := range changes {
			old, version, err := a.read(ctx, c.at)
			if err != nil {
				return nil, i, err
			}
			next, err := c.next(old)
			if err != nil && failed < 0 {
				failed, why = i, err
			}
			made[i] = outcome{old, next}
			if mutations[i], err = mutation(c.at, next, version); err != nil {
				return nil, i, err
			}
			if failed >= 0 { // ask only whether what was read is the latest
				if mutations[i], err = mutation(c.at, old, version); err != nil {
					return nil, i, err
				}
			}
		}
		if failed >= 0 {
			if !a.shared() {
				return made, failed, why
			}
			err := a.states.Mutate(ctx, mutations[failed])
			if again, err := a.again(ctx, err, try); !again {
				if err == nil {
					err = why
				}
				return made, failed, err
			}
			continue
		}
		if err := a.room(ctx, mutations, made); err != nil {
			return nil, -1, err
		}
		err := a.states.Mutate(ctx, mutations...)
		if again, err := a.again(ctx, err, try); !again {
			return made, -1, err
		}
	}
}

// mutation puts an item in the place of one of that version.
func mutation(at string, it item, version shardlog.Version) (shardlog.Mutation, error) {
	m := shardlog.Mutation{Space: space, Key: at, Expect: shardlog.At(version)}
	if it == nil {
		return m, nil
	}
	text, err := json.Marshal(it)
	if err != nil {
		return m, err
	}
	if len(text) > shardlog.MaxStateValue {
		return m, awsapi.Invalid("Item size has exceeded the maximum allowed size")
	}
	m.Value = text
	return m, nil
}

// growth is what changes add to a table.
type growth struct{ items, bytes int }

// room refuses changes that a table has no room for. Those that make nothing
// larger, as renewing a lease hardly ever does, are not looked at.
func (a *API) room(ctx context.Context, mutations []shardlog.Mutation, made []outcome) error {
	grown := map[string]growth{}
	for i, m := range mutations {
		before := 0
		if made[i].old != nil {
			text, err := json.Marshal(made[i].old)
			if err != nil {
				return err
			}
			before = len(text)
		}
		if more := len(m.Value) - before; more > 0 {
			g := grown[prefixOf(m.Key)]
			if g.bytes += more; before == 0 {
				g.items++
			}
			grown[prefixOf(m.Key)] = g
		}
	}
	for prefix, g := range grown {
		for _, text := range a.states.List(ctx, space, prefix) {
			g.items++
			g.bytes += len(text)
		}
		if g.items > maxItems || g.bytes > maxBytes {
			return awsapi.Fail("ItemCollectionSizeLimitExceededException", "A table has %d items and %d bytes at most on this gateway.", maxItems, maxBytes)
		}
	}
	return nil
}
