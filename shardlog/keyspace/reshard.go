package keyspace

import "headgate/shardlog"

// Split divides a range in two; the second begins at the hash given. It is
// Invalid unless at least two places of the range lie before it and one
// behind it, which is Kinesis's rule for NewStartingHashKey.
func Split(r Range, at shardlog.Hash) (low, high Range, err error) {
	if !r.From.Less(at) || !r.From.Next().Less(at) || !at.Less(r.To) {
		return Range{}, Range{}, shardlog.Errorf(shardlog.Invalid, "split shard",
			"%v does not lie inside of %v to %v", at, r.From, r.To)
	}
	return Range{r.From, before(at)}, Range{at, r.To}, nil
}

// Merge joins two ranges, in either order. It is Invalid unless one begins
// where the other ends; the ring's end does not touch its beginning.
func Merge(a, b Range) (Range, error) {
	if b.From.Less(a.From) {
		a, b = b, a
	}
	if a.To == shardlog.MaxHash() || a.To.Next() != b.From {
		return Range{}, shardlog.Errorf(shardlog.Invalid, "merge shards",
			"%v to %v does not touch %v to %v", a.From, a.To, b.From, b.To)
	}
	return Range{a.From, b.To}, nil
}
