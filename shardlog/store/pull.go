package store

import (
	"context"
	"encoding/binary"
	"io"

	"headgate/shardlog"
)

// Source is a peer's store, as calls over a link carry it: each answer is
// what the peer's WriteOffer, WriteBlocks or WriteKeys writes. An error of
// the peer in the middle must end the stream early, not cleanly.
type Source interface {
	Offer(ctx context.Context, above uint64, bucket uint32) (io.ReadCloser, error)
	Blocks(ctx context.Context, request []byte) (io.ReadCloser, error)
	Keys(ctx context.Context, request []byte) (io.ReadCloser, error)
}

const (
	pullMissing = 1 << 16  // blocks that one listing may ask for: it bounds the memory
	pullLast    = 16 << 20 // bytes that may be missing when the state is taken
	pullRequest = 4 << 20  // bytes of blocks in one request
	pullKeys    = 4096     // blocks in one request
	pullRounds  = 16       // listings in a row that found a block gone
)

// Pull brings the store to where a peer's is, at rate bytes a second (zero:
// unlimited): first the blocks it lacks, listing by listing until few are
// left, then the state. What it fetched stays when it is broken off, and is
// not fetched again. It returns nil only when the store has moved on; where
// it stands Applied says. Nothing may be applied or journalled meanwhile, and
// entries of the journal that are not applied must have been dropped.
//
// Kinds: InUse (another pull or repair runs), Invalid (see Install), Expired
// (the peer is no further than this store), Unavailable (the peer or the link
// failed), Corrupt (what came does not fit).
func (s *Store) Pull(ctx context.Context, from Source, rate int) error {
	if !s.pulls.TryLock() {
		return shardlog.Errorf(shardlog.InUse, "pull", "another pull or repair runs")
	}
	defer s.pulls.Unlock()
	i, err := s.Install()
	if err != nil {
		return err
	}
	defer i.Close()
	p := pulling{s: s, install: i, from: from, pace: newPace(rate), above: s.Applied()}
	return p.run(ctx)
}

// pulling is one Pull on its way.
type pulling struct {
	s       *Store
	install *Install
	from    Source
	pace    *pace
	above   uint64
	rounds  int    // in a row that found a block gone
	last    uint64 // bytes that the listing before found missing, zero before the first whole one

	// of the present listing
	applied uint64
	missing []sized
	bytes   uint64
	partial bool // more are missing
}

type sized struct {
	key  BlockKey
	size int
}

func (p *pulling) run(ctx context.Context) error {
	for p.rounds < pullRounds {
		taken, err := p.list(ctx)
		if err != nil {
			return err
		}
		gone, err := p.fetch(ctx)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		switch {
		case gone:
			p.rounds++ // trimmed meanwhile: the next listing and its state do without
		case taken:
			return p.install.Finish(p.applied)
		default:
			p.rounds = 0
		}
	}
	return shardlog.Errorf(shardlog.Unavailable, "pull", "blocks went before they were fetched, %d times", p.rounds)
}

// list reads an offer: what is missing, and the state if little is. It
// reports whether the state was staged.
func (p *pulling) list(ctx context.Context) (taken bool, err error) {
	body, err := p.from.Offer(ctx, p.above, p.install.bucket)
	if err != nil {
		return false, cutOff(err)
	}
	defer body.Close()
	r, err := newReceiver(p.pace.reader(ctx, body), carryOffer)
	if err != nil {
		return false, err
	}
	if err := p.header(r); err != nil {
		return false, err
	}
	if err := p.listing(r); err != nil || p.partial || !p.near() {
		return false, err
	}
	return true, p.stage(r)
}

func (p *pulling) header(r *receiver) error {
	kind, body, err := r.next()
	if err != nil {
		return err
	}
	applied, n := binary.Uvarint(body)
	if kind != frameHeader || n != len(body) || n <= 0 {
		return badStream("no header")
	}
	if p.applied = applied; applied <= p.above {
		return shardlog.Errorf(shardlog.Expired, "pull", "the peer has applied %d, this store %d", applied, p.above)
	}
	return nil
}

// listing collects what is missing, up to pullMissing blocks.
func (p *pulling) listing(r *receiver) error {
	p.missing, p.bytes, p.partial = p.missing[:0], 0, false
	h, err := p.s.holdings()
	if err != nil {
		return err
	}
	defer h.close()
	for {
		kind, body, err := r.next()
		if err != nil {
			return err
		}
		if kind == frameListed {
			return r.ended(body)
		}
		if kind != frameKeys {
			return badStream("frame %d in a listing", kind)
		}
		err = r.keys(body, func(k BlockKey, size int) error {
			if have, err := h.have(k, size); err != nil || have {
				return err
			}
			p.missing, p.bytes = append(p.missing, sized{k, size}), p.bytes+uint64(size)
			return nil
		})
		if err != nil {
			return err
		}
		if p.partial = len(p.missing) >= pullMissing; p.partial {
			return nil
		}
	}
}

// near reports whether the state is to be taken with this listing: little is
// missing, or as much as before, so that waiting does not help.
func (p *pulling) near() bool {
	before := p.last
	p.last = p.bytes
	return p.bytes <= pullLast || before > 0 && p.bytes > before/2
}

// stage stages the peer's state.
func (p *pulling) stage(r *receiver) error {
	if err := p.install.Stage(); err != nil {
		return err
	}
	for {
		kind, body, err := r.next()
		if err != nil {
			return err
		}
		if kind == frameEnd {
			return r.ended(body)
		}
		if kind != frameRows {
			return badStream("frame %d in a state", kind)
		}
		if err := r.rows(body, p.install.StageRow); err != nil {
			return err
		}
	}
}

// fetch fetches what is missing; gone is whether the peer has trimmed some of
// it. Blocks that are bad there are left out: the extent will be a hole.
func (p *pulling) fetch(ctx context.Context) (gone bool, err error) {
	for rest := p.missing; len(rest) > 0; {
		n, size := 0, 0
		for n < len(rest) && n < pullKeys && (n == 0 || size+rest[n].size <= pullRequest) {
			size += rest[n].size
			n++
		}
		keys := make([]BlockKey, n)
		for i := range keys {
			keys[i] = rest[i].key
		}
		rest = rest[n:]
		err := fetchBlocks(ctx, p.from, p.pace, keys, func(b Block, kind shardlog.Kind) error {
			if b.Bytes == nil {
				gone = gone || kind == shardlog.NotFound
				return nil
			}
			return p.install.PutBlocks(b)
		})
		if err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// fetchBlocks asks for blocks and hands each over as it comes; one that the
// peer does not give comes without bytes and says why. The bytes are the
// caller's until the next.
func fetchBlocks(ctx context.Context, from Source, pace *pace, keys []BlockKey, do func(Block, shardlog.Kind) error) error {
	body, err := from.Blocks(ctx, encodeKeys(keys))
	if err != nil {
		return cutOff(err)
	}
	defer body.Close()
	r, err := newReceiver(pace.reader(ctx, body), carryBlocks)
	if err != nil {
		return err
	}
	for _, want := range keys {
		kind, frame, err := r.next()
		if err != nil {
			return err
		}
		b, why, err := parseBlockFrame(kind, frame)
		if err != nil {
			return err
		}
		if b.Key != want {
			return badStream("block %s instead of %s", b.Key, want)
		}
		r.count++
		if err := do(b, why); err != nil {
			return err
		}
	}
	kind, frame, err := r.next()
	if err == nil && kind != frameEnd {
		err = badStream("frame %d behind the last block", kind)
	}
	if err != nil {
		return err
	}
	return r.ended(frame)
}

func parseBlockFrame(kind byte, frame []byte) (Block, shardlog.Kind, error) {
	n := numbers{frame}
	b := Block{Key: n.takeKey()}
	switch {
	case n.b == nil:
	case kind == frameBlock && len(n.b) > 0:
		b.Bytes = n.b
		return b, 0, nil
	case kind == frameGone:
		if why := shardlog.Kind(n.take()); n.done() == nil {
			return b, why, nil
		}
	}
	return b, 0, badStream("frame %d of a block", kind)
}
