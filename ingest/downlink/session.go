package downlink

import (
	"context"
	"encoding/json"
	"time"

	"headgate/shardlog"
)

// Session is what is kept of a device's session, at every gateway of the site.
type Session struct {
	Client string                      `json:"-"`
	Expiry time.Duration               `json:"expiry"` // after it was left; Forever: never
	Left   time.Time                   `json:"left,omitzero"`
	At     uint64                      `json:"at,omitempty"` // the gateway that the device is, or was, connected to
	Turn   uint64                      `json:"turn"`         // how often a device has connected
	Subs   []Subscription              `json:"subs,omitempty"`
	Starts map[shardlog.StreamID]Start `json:"starts,omitempty"`
	Newest shardlog.StreamID           `json:"newest,omitempty"` // Follower.Newest: streams that are younger are new to it
	Out    []Unanswered                `json:"out,omitempty"`
	Done   []Place                     `json:"done,omitempty"` // answered though something before it was not
	NextID uint16                      `json:"nextId,omitempty"`
}

// Unanswered is a message of QoS 1 or 2 that was sent and not answered, under
// its packet id (MQTT 5.0, 4.4).
type Unanswered struct {
	ID       uint16 `json:"id"`
	Place    Place  `json:"place"`
	Received bool   `json:"received,omitempty"` // PUBREC came: only PUBREL is sent again
}

// Forever is an Expiry that never comes.
const Forever = time.Duration(1<<63 - 1)

// Sessions keeps them in small state.
type Sessions struct{ States shardlog.States }

const space shardlog.Space = "mqtt.session"

// Load reads a session; the zero Session of that client when there is none, or
// it has expired.
func (s Sessions) Load(ctx context.Context, client string, now time.Time) (one Session, there bool, err error) {
	one.Client = client
	text, _, err := s.States.Get(ctx, space, client)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			err = nil
		}
		return one, false, err
	}
	if err := json.Unmarshal(text, &one); err != nil {
		return Session{Client: client}, false, shardlog.Errorf(shardlog.Corrupt, "read session", "%q: %w", client, err)
	}
	if one.expired(now) {
		return Session{Client: client, Turn: one.Turn}, false, nil
	}
	return one, true, nil
}

func (one *Session) expired(now time.Time) bool {
	return !one.Left.IsZero() && one.Expiry != Forever && now.Sub(one.Left) > one.Expiry
}

// Save keeps a session. Kind Moved: the device has connected elsewhere since,
// and that gateway keeps it.
func (s Sessions) Save(ctx context.Context, one Session) error {
	text, err := json.Marshal(one)
	if err != nil {
		return shardlog.Errorf(shardlog.Internal, "save session", "%w", err)
	}
	for {
		expect := shardlog.Absent()
		before, version, err := s.States.Get(ctx, space, one.Client)
		if err == nil {
			var old Session
			if expect = shardlog.At(version); json.Unmarshal(before, &old) == nil && old.Turn > one.Turn {
				return shardlog.Errorf(shardlog.Moved, "save session", "%q is at another gateway", one.Client)
			}
		} else if shardlog.KindOf(err) != shardlog.NotFound {
			return err
		}
		err = s.States.Mutate(ctx, shardlog.Mutation{Space: space, Key: one.Client, Value: text, Expect: expect})
		if err == nil || shardlog.KindOf(err) != shardlog.Conflict {
			return err
		}
	}
}

// Delete forgets a session.
func (s Sessions) Delete(ctx context.Context, client string) error {
	return s.States.Mutate(ctx, shardlog.Mutation{Space: space, Key: client})
}

// Sweep forgets sessions that have expired, at most a thousand, and answers how
// many are left.
func (s Sessions) Sweep(ctx context.Context, now time.Time) (left int, err error) {
	var gone []shardlog.Mutation
	for client, text := range s.States.List(ctx, space, "") {
		var one Session
		if json.Unmarshal(text, &one) == nil && one.expired(now) && len(gone) < 1000 {
			gone = append(gone, shardlog.Mutation{Space: space, Key: client})
			continue
		}
		left++
	}
	if len(gone) == 0 {
		return left, nil
	}
	return left, s.States.Mutate(ctx, gone...)
}
