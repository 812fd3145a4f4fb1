package s3_test

import (
	"context"
	"crypto/sha256"
	"iter"

	"headgate/shardlog"
)

// empty is a batch of nothing.
func empty(context.Context) iter.Seq2[shardlog.Record, error] {
	return func(func(shardlog.Record, error) bool) {}
}

func sum(b []byte) [32]byte { return sha256.Sum256(b) }
