package shadow

import (
	"encoding/json"
	"errors"
	"strconv"
)

// request is what a client wants of a shadow.
type request struct {
	id    ID
	token any // clientToken: a string, or nil for none

	// Of an update.
	state    object // as it came; what is accepted says it again
	desired  change
	reported change
	version  int64 // -1: any
}

// change is what an update makes of one section.
type change struct {
	patch  object
	remove bool // "desired": null
}

// levels are those of an update's JSON: the request, its state, a section, and
// what is below it.
const levels = 3 + MaxDepth

// parseRequest reads what get and delete have in common with update. Nothing at
// all is a request without a token.
func parseRequest(id ID, payload []byte) (request, object, error) {
	r := request{id: id, version: -1}
	if err := id.check(); err != nil {
		return r, nil, err
	}
	if len(payload) == 0 {
		return r, object{}, nil
	}
	if len(payload) > MaxPayload {
		return r, nil, reject(413, "The payload exceeds the maximum size allowed")
	}
	body, err := parse(payload, levels)
	if errors.Is(err, errDeep) {
		return r, nil, reject(400, "JSON contains too many levels of nesting; maximum is "+strconv.Itoa(MaxDepth))
	}
	if err != nil {
		return r, nil, reject(400, "Invalid JSON")
	}
	if token := body["clientToken"]; token != nil {
		text, ok := token.(string)
		if !ok || len(text) > MaxClientToken {
			return r, nil, reject(400, "Invalid clientToken")
		}
		r.token = text
	}
	return r, body, nil
}

// parseUpdate reads an update. What it holds besides what is known is passed over.
func parseUpdate(id ID, payload []byte) (request, error) {
	r, body, err := parseRequest(id, payload)
	if err != nil {
		return r, err
	}
	if len(payload) == 0 {
		return r, reject(400, "Invalid JSON")
	}
	if v := body["version"]; v != nil {
		n, _ := v.(json.Number)
		if r.version, err = strconv.ParseInt(string(n), 10, 64); err != nil || r.version < 0 {
			return r, reject(400, "Invalid version")
		}
	}
	state, there := body["state"]
	if !there {
		return r, reject(400, "Missing required node: state")
	}
	var ok bool
	if r.state, ok = state.(object); !ok {
		return r, reject(400, "State node must be an object")
	}
	for name, v := range r.state {
		switch name {
		case "desired":
			r.desired, ok = changeOf(v)
		case "reported":
			r.reported, ok = changeOf(v)
		default:
			return r, reject(400, "State contains an invalid node: '"+name+"'")
		}
		if !ok {
			return r, reject(400, map[string]string{"desired": "Desired", "reported": "Reported"}[name]+" node must be an object")
		}
	}
	return r, nil
}

func changeOf(v any) (change, bool) {
	if v == nil {
		return change{remove: true}, true
	}
	patch, ok := v.(object)
	return change{patch: patch}, ok
}

// of is the section after the change.
func (c change) of(s section, at json.Number) section {
	if c.remove {
		return section{}
	}
	if c.patch == nil {
		return s
	}
	return s.merge(c.patch, at)
}
