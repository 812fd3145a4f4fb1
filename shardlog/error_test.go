package shardlog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"headgate/shardlog"
)

func TestKindOf(t *testing.T) {
	throttled := &shardlog.Error{Kind: shardlog.Throttled, Op: "put", RetryAfter: time.Second}
	tests := []struct {
		err  error
		kind shardlog.Kind
		wait time.Duration
	}{
		{throttled, shardlog.Throttled, time.Second},
		{fmt.Errorf("write: %w", throttled), shardlog.Throttled, time.Second},
		{errors.Join(io.EOF, throttled), shardlog.Throttled, time.Second},
		{&shardlog.Error{Kind: shardlog.Unknown, Err: throttled}, shardlog.Unknown, 0},
		{&shardlog.Error{Kind: shardlog.Unknown, Err: context.Canceled}, shardlog.Unknown, 0},
		{fmt.Errorf("wait: %w", context.Canceled), shardlog.Unavailable, 0},
		{context.DeadlineExceeded, shardlog.Unavailable, 0},
		{io.EOF, shardlog.Internal, 0},
	}
	for _, test := range tests {
		if got := shardlog.KindOf(test.err); got != test.kind {
			t.Errorf("%v is %v, want %v", test.err, got, test.kind)
		}
		if got := shardlog.RetryAfter(test.err); got != test.wait {
			t.Errorf("%v asks for %v, want %v", test.err, got, test.wait)
		}
	}
}

func TestErrorText(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{&shardlog.Error{Kind: shardlog.NotFound, Op: "put", Stream: "telemetry"}, "put telemetry: not found"},
		{&shardlog.Error{Kind: shardlog.Throttled, Op: "put", Shard: &shardlog.ShardID{Number: 3}}, "put shardId-000000000003: throttled"},
		{shardlog.Errorf(shardlog.Corrupt, "open block", "%d bytes: %w", 3, io.EOF), "open block: corrupt: 3 bytes: EOF"},
		{&shardlog.Error{Kind: 99, Op: "x"}, "x: kind 99"},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
	if err := shardlog.Errorf(shardlog.Corrupt, "open block", "%w", io.EOF); !errors.Is(err, io.EOF) {
		t.Errorf("%v hides its cause", err)
	}
}

func TestEveryKindHasAName(t *testing.T) {
	seen := map[string]bool{}
	for k := shardlog.Internal; k <= shardlog.Corrupt; k++ {
		if name := k.String(); name == "" || seen[name] || name[:2] == "ki" {
			t.Errorf("kind %d is called %q", k, name)
		}
		seen[k.String()] = true
	}
}

func TestExpect(t *testing.T) {
	tests := []struct {
		expect shardlog.Expect
		met    []shardlog.Version
		unmet  []shardlog.Version
	}{
		{shardlog.Expect{}, []shardlog.Version{0, 1, 9}, nil},
		{shardlog.Absent(), []shardlog.Version{0}, []shardlog.Version{1, 9}},
		{shardlog.At(9), []shardlog.Version{9}, []shardlog.Version{0, 1, 10}},
	}
	for _, test := range tests {
		for _, v := range test.met {
			if !test.expect.Met(v) {
				t.Errorf("%+v is not met by %d", test.expect, v)
			}
		}
		for _, v := range test.unmet {
			if test.expect.Met(v) {
				t.Errorf("%+v is met by %d", test.expect, v)
			}
		}
	}
}
