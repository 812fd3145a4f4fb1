package forward

import (
	"context"
	"time"

	"headgate/shardlog"
)

// Tip asks the leader where a shard ends: the place of its last record, zero
// while it has none. This gateway may not have applied that record yet.
// Kinds: NotFound, Unavailable.
func (f *Carrier) Tip(ctx context.Context, shard shardlog.ShardID) (shardlog.Seq, error) {
	patient := time.Now().Add(patience)
	for wait := leastRetry; ; wait = min(2*wait, mostRetry) {
		f.mu.Lock()
		isolated, changed := f.iso.isolated, f.changed
		f.mu.Unlock()
		if isolated {
			return 0, &shardlog.Error{Kind: shardlog.Unavailable, Op: "find tip", Shard: &shard, Err: errIsolated}
		}
		last, err := f.askTip(ctx, shard)
		if err == nil || shardlog.KindOf(err) == shardlog.NotFound {
			return last, err
		}
		if time.Now().After(patient) || pause(ctx, wait, changed) != nil {
			return 0, &shardlog.Error{Kind: shardlog.Unavailable, Op: "find tip", Shard: &shard, Err: err}
		}
	}
}

func (f *Carrier) askTip(ctx context.Context, shard shardlog.ShardID) (shardlog.Seq, error) {
	if f.c.Leadership.Leading() {
		return f.ownTip(shard)
	}
	to := f.look()
	answer, err := f.ask(ctx, to, TipPath, encodeTip(to.term, shard))
	if err != nil {
		return 0, err
	}
	err = answer.fault()
	last := shardlog.Seq(answer.uint())
	if e := answer.end("decode answer"); e != nil {
		return 0, e
	}
	return last, err
}

func (f *Carrier) ownTip(shard shardlog.ShardID) (shardlog.Seq, error) {
	if s, ok := f.c.Catalog.StreamByID(shard.Stream); ok {
		if sh, ok := s.Shard(shard.Number); ok {
			return sh.Next - 1, nil
		}
	}
	return 0, &shardlog.Error{Kind: shardlog.NotFound, Op: "find tip", Shard: &shard}
}

func encodeTip(term uint64, shard shardlog.ShardID) []byte {
	w := encoder{[]byte{wireVersion}}
	w.uint(term)
	w.uint(uint64(shard.Stream))
	w.uint(uint64(shard.Number))
	return w.b
}

func decodeTip(b []byte) (term uint64, shard shardlog.ShardID, err error) {
	r := decoder{b: b}
	if r.byte() != wireVersion {
		r.fail()
	}
	term = r.uint()
	shard = shardlog.ShardID{Stream: shardlog.StreamID(r.small()), Number: r.small()}
	return term, shard, r.end("decode tip")
}
