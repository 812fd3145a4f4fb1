package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func TestChoose(t *testing.T) {
	good := options{gateways: 3, shards: 1, writers: 1, rounds: 1}
	for list, want := range map[string]int{"all": len(faults()) - 1, "none": 0, "kill,stop": 2, "amnesia": 1} {
		o := good
		if err := o.choose(list); err != nil || len(o.faults) != want || list == "all" && slices.Contains(o.faults, amnesia) {
			t.Errorf("%s: %v, %v", list, o.faults, err)
		}
	}
	if err := good.choose("kill,flood"); err == nil {
		t.Error("a fault that does not exist was taken")
	}
	if err := (&options{}).choose("none"); err == nil {
		t.Error("no gateways were taken")
	}
}

func TestCertain(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("put: %w", refused), true},
		{fmt.Errorf("put: %w", &types.ProvisionedThroughputExceededException{}), true},
		{&types.ResourceNotFoundException{}, true},
		{&types.InternalFailureException{}, false},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, false},
		{context.DeadlineExceeded, false},
		{errors.New("anything"), false},
	} {
		if got := certain(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

func TestNameOf(t *testing.T) {
	for want, err := range map[string]error{
		"ExpiredIteratorException": fmt.Errorf("get: %w", &types.ExpiredIteratorException{}),
		"timeout":                  fmt.Errorf("get: %w", context.DeadlineExceeded),
		"connection refused":       &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
		"connection reset":         &net.OpError{Op: "write", Err: syscall.EPIPE},
	} {
		if got := nameOf(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}
