package devices

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"headgate/shardlog"
)

// hasher checks passwords within bounds: so many at once, so many that wait,
// and so many wrong ones for each device. What it has found out it remembers,
// so that a device that comes again, with the right password or the same wrong
// one, costs nothing.
type hasher struct {
	slots            chan struct{}
	most             int64
	waiting          atomic.Int64
	hashed, recalled atomic.Uint64
	key              []byte // of the memory; random, it never leaves

	mu           sync.Mutex                // guards the rest
	right, wrong recent[verdict, struct{}] // apart, so that guesses push no device out
	guesses      recent[string, bucket]
}

// verdict names a question: this password for what is kept there?
type verdict [sha256.Size]byte

const (
	keptRight   = 8192 // passwords, twice
	keptWrong   = 1024 // passwords, twice
	keptGuesses = 2048 // devices, twice

	// A device may be wrong so often at once, and again after each so long.
	guessBurst = 5
	guessEvery = 10 * time.Second

	busyRetry = time.Second // after which one that found no place should come again
)

func newHasher(hashes, waiting int) *hasher {
	h := &hasher{
		slots: make(chan struct{}, hashes), most: int64(hashes + waiting), key: make([]byte, 32),
		right:   recent[verdict, struct{}]{most: keptRight},
		wrong:   recent[verdict, struct{}]{most: keptWrong},
		guesses: recent[string, bucket]{most: keptGuesses},
	}
	rand.Read(h.key) // never fails
	return h
}

// name is what a question is remembered by. It holds what is kept of the
// password, so that an answer is forgotten when the password changes.
func (h *hasher) name(kept string, password []byte) (name verdict) {
	m := hmac.New(sha256.New, h.key)
	m.Write([]byte(kept))
	m.Write([]byte{0})
	m.Write(password)
	m.Sum(name[:0])
	return name
}

// check finds which of the kept passwords the password is, -1 for none. Kinds:
// Throttled when too many wait or the device was wrong too often; Corrupt.
//
// Only passwords that people chose are worth guessing, so only those are
// guarded: nobody can lock out a device whose password was made here.
func (h *hasher) check(ctx context.Context, id string, all []string, password []byte) (int, error) {
	var slow [most]kept
	for i, text := range all {
		k, err := parseKept(text)
		if err != nil {
			return -1, shardlog.Errorf(shardlog.Corrupt, "check password", "device %s: %w", id, err)
		}
		if k.quick && k.is(password) {
			return i, nil
		}
		slow[i] = k
	}
	guarded := false
	for i, text := range all {
		if slow[i].quick {
			continue
		}
		name := h.name(text, password)
		is, known := h.recall(name)
		if is {
			return i, nil
		}
		if known {
			continue
		}
		if !guarded {
			if err := h.guess(id); err != nil {
				return -1, err
			}
			guarded = true
		}
		if err := h.within(ctx, func() { is = slow[i].is(password) }); err != nil {
			h.forgive(id)
			return -1, err
		}
		h.remember(name, is)
		if is {
			h.forgive(id)
			return i, nil
		}
	}
	return -1, nil
}

// recall is what was found out before.
func (h *hasher) recall(name verdict) (is, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, is = h.right.get(name)
	if !is {
		_, known = h.wrong.get(name)
	}
	if is || known {
		h.recalled.Add(1)
	}
	return is, is || known
}

func (h *hasher) remember(name verdict, is bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if is {
		h.right.put(name, struct{}{})
	} else {
		h.wrong.put(name, struct{}{})
	}
}

// hash is what is kept of a password. Those who give passwords to devices are
// few, and wait however many devices do. Kind Unavailable when ctx ends first.
func (h *hasher) hash(ctx context.Context, password []byte) (text string, err error) {
	err = h.slot(ctx, func() { text = hashPassword(password) })
	return text, err
}

// within works when a slot is free. Kinds: Throttled when too many wait for
// one already; as slot's.
func (h *hasher) within(ctx context.Context, work func()) error {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > h.most {
		return &shardlog.Error{Kind: shardlog.Throttled, Op: "check password", RetryAfter: busyRetry}
	}
	return h.slot(ctx, work)
}

// slot works when a slot is free. Kind Unavailable when ctx ends first.
func (h *hasher) slot(ctx context.Context, work func()) error {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return &shardlog.Error{Kind: shardlog.Unavailable, Op: "check password", Err: ctx.Err()}
	}
	defer func() { <-h.slots }()
	h.hashed.Add(1)
	work()
	return nil
}

// bucket counts how often a device was wrong lately.
type bucket struct {
	wrong float64
	at    time.Time
}

// guess counts one try as wrong until it is forgiven.
func (h *hasher) guess(id string) error {
	now := time.Now() // monotonic: what the clock shows does not matter
	h.mu.Lock()
	defer h.mu.Unlock()
	b, _ := h.guesses.get(id)
	b.wrong = max(0, b.wrong-now.Sub(b.at).Seconds()/guessEvery.Seconds())
	b.at = now
	if b.wrong > guessBurst-1 {
		wait := time.Duration((b.wrong - (guessBurst - 1)) * float64(guessEvery))
		h.guesses.put(id, b)
		return &shardlog.Error{Kind: shardlog.Throttled, Op: "check password", RetryAfter: wait}
	}
	b.wrong++
	h.guesses.put(id, b)
	return nil
}

func (h *hasher) forgive(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b, ok := h.guesses.get(id); ok {
		b.wrong = max(0, b.wrong-1)
		h.guesses.put(id, b)
	}
}
