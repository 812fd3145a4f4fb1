package shadow

import "encoding/json"

// The documents that are announced and answered ("Device Shadow service
// documents", AWS IoT Core developer guide).

// document is a whole shadow: its state, when each value was set, its version.
// delta: with what the thing has yet to do.
func (r row) document(delta bool) object {
	state, times := object{}, object{}
	for name, s := range map[string]section{"desired": r.desired, "reported": r.reported} {
		if len(s.state) > 0 {
			state[name], times[name] = s.state, s.metadata()
		}
	}
	if d := r.desired.beyond(r.reported.state); delta && len(d.state) > 0 {
		state["delta"] = d.state
	}
	return object{"state": state, "metadata": times, "version": r.version}
}

// accepted is what an update made of the shadow: what it asked for, and when.
func accepted(r request, now row) object {
	times := object{}
	for name, c := range map[string]change{"desired": r.desired, "reported": r.reported} {
		if c.patch != nil {
			times[name] = section{}.merge(c.patch, now.at).metadata()
		}
	}
	return object{"state": r.state, "metadata": times, "version": now.version}
}

// delta is what the thing has yet to do; nil: nothing.
func (r row) delta() object {
	d := r.desired.beyond(r.reported.state)
	if len(d.state) == 0 {
		return nil
	}
	return object{"state": d.state, "metadata": d.metadata(), "version": r.version}
}

// sealed is a document with the time of its making and the token of the
// request that it answers.
func sealed(o object, at json.Number, token any) []byte {
	o["timestamp"] = at
	if token != nil {
		o["clientToken"] = token
	}
	return encode(o)
}
