package shadow

import (
	"encoding/json"
	"strconv"
	"time"

	"headgate/shardlog"
)

// row is a shadow as it is stored, or what is left of one that was deleted.
type row struct {
	version  int64
	at       json.Number // the second since 1970 of the last change
	deleted  bool
	desired  section
	reported section
}

// memory is how long the version of a deleted shadow is remembered, so that one
// made again under its name goes on from there.
const memory = 48 * time.Hour

// there reports whether the shadow exists.
func (r row) there() bool { return r.version > 0 && !r.deleted }

// forgotten reports whether a deleted shadow's row may go.
func (r row) forgotten(now time.Time) bool {
	at, err := strconv.ParseInt(string(r.at), 10, 64)
	return r.deleted && (err != nil || now.Sub(time.Unix(at, 0)) > memory)
}

// encode is the row as FORMAT.md has it.
func (r row) encode() []byte {
	o := object{"version": r.version, "at": r.at}
	if r.deleted {
		o["deleted"] = true
	}
	for name, s := range map[string]section{"desired": r.desired, "reported": r.reported} {
		if len(s.state) > 0 {
			o[name] = object{"state": s.state, "times": s.times}
		}
	}
	return append([]byte{1}, encode(o)...)
}

// decodeRow reads what encode wrote. Kind Corrupt.
func decodeRow(b []byte) (row, error) {
	corrupt := func(what string) (row, error) {
		return row{}, shardlog.Errorf(shardlog.Corrupt, "read shadow", "%s", what)
	}
	if len(b) == 0 || b[0] != 1 {
		return corrupt("format")
	}
	o, err := parse(b[1:], levels)
	if err != nil {
		return corrupt(err.Error())
	}
	r := row{}
	version, _ := o["version"].(json.Number)
	r.at, _ = o["at"].(json.Number)
	r.deleted, _ = o["deleted"].(bool)
	if r.version, err = strconv.ParseInt(string(version), 10, 64); err != nil || r.version <= 0 || r.at == "" {
		return corrupt("version or time")
	}
	for name, s := range map[string]*section{"desired": &r.desired, "reported": &r.reported} {
		if o[name] == nil {
			continue
		}
		both, _ := o[name].(object)
		state, ok := both["state"].(object)
		times, alike := both["times"].(object)
		if *s = (section{state: state, times: times}); !ok || !alike || !s.whole() {
			return corrupt(name)
		}
	}
	return r, nil
}

// whole reports whether every value has its time.
func (s section) whole() bool {
	if len(s.state) != len(s.times) {
		return false
	}
	for name, v := range s.state {
		if _, is := v.(object); !is {
			if _, ok := s.times[name].(json.Number); !ok {
				return false
			}
			continue
		}
		if times, ok := s.times[name].(object); !ok || !(section{state: v.(object), times: times}).whole() {
			return false
		}
	}
	return true
}
