package kinesisapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// settings is what a stream was told that the log itself need not know: a row
// of small state, by the stream's incarnation.
type settings struct {
	own
	Metrics []string `json:"metrics,omitempty"` // shard-level ones
	Key     string   `json:"key,omitempty"`     // of KMS; "": not encrypted
	Mode    string   `json:"mode,omitempty"`    // onDemand; "": provisioned
	Warm    int      `json:"warm,omitempty"`    // MiB/s that an on-demand stream is to be ready for
	Auto    bool     `json:"auto,omitempty"`    // records go to any shard, whatever their keys
	// Changes is when what may be done a few times a day was done lately:
	// Unix seconds by operation.
	Changes map[string][]int64 `json:"changes,omitempty"`
}

func settingsKey(stream shardlog.StreamID) string { return fmt.Sprintf("stream/%d", stream) }

// settingsOf are a stream's settings.
func (a *API) settingsOf(ctx context.Context, stream shardlog.StreamID) (s settings, err error) {
	value, _, err := a.tokens.states.Get(ctx, space, settingsKey(stream))
	return readSettings(value, err)
}

func readSettings(value []byte, err error) (s settings, _ error) {
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return s, nil
		}
		return s, err
	}
	if err := json.Unmarshal(value, &s); err != nil {
		return s, shardlog.Errorf(shardlog.Corrupt, "read settings", "%w", err)
	}
	return s, nil
}

// set changes a stream's settings.
func (a *API) set(ctx context.Context, stream shardlog.Stream, edit func(*settings) error) error {
	for {
		value, version, err := a.tokens.states.Get(ctx, space, settingsKey(stream.ID))
		expect := shardlog.At(version)
		if err != nil {
			expect = shardlog.Absent()
		}
		s, err := readSettings(value, err)
		if err != nil {
			return &about{stream.Name, err}
		}
		if err := edit(&s); err != nil {
			return err
		}
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		err = a.tokens.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: settingsKey(stream.ID), Value: text, Expect: expect})
		if err == nil || shardlog.KindOf(err) != shardlog.Conflict {
			if err != nil {
				return &about{stream.Name, err}
			}
			return nil
		}
	}
}

// daily notes one more change of a kind of which there may be so many in 24
// hours; false when there were.
func (s *settings) daily(operation string, most int, now time.Time) bool {
	lately := slices.DeleteFunc(s.Changes[operation], func(at int64) bool {
		age := now.Sub(time.Unix(at, 0))
		return age < 0 || age >= 24*time.Hour
	})
	if len(lately) >= most {
		return false
	}
	if s.Changes == nil {
		s.Changes = map[string][]int64{}
	}
	s.Changes[operation] = append(lately, now.Unix())
	return true
}

// overDaily is the answer to one change too many.
func overDaily(operation string, most int, stream shardlog.StreamName) error {
	return awsapi.Fail(limitExceeded, "%s may be called %d times in 24 hours for stream %s under account %s.", operation, most, stream, awsapi.Account)
}

// findToSet is the stream that a request means, if it may be changed.
func (a *API) findToSet(in awsapi.Input) (shardlog.Stream, error) {
	stream, err := a.find(in)
	if err == nil {
		err = changeable(stream.Name)
	}
	return stream, err
}

// putEncryption appends what answers to puts say of a stream that is encrypted.
func putEncryption(out *awsapi.Reply, s settings) {
	if s.Key != "" {
		out.Text("EncryptionType", "KMS")
	}
}
