package simulation_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"headgate/shardlog"
)

// address is a host as the gateways write it.
type address int

func (address) Network() string  { return "sim" }
func (a address) String() string { return "host" + strconv.Itoa(int(a)) }

func hostOf(text string) int {
	n, err := strconv.Atoi(text[len("host"):])
	if err != nil {
		panic(err)
	}
	return n
}

var errLost = errors.New("the connection broke")

func unreachable(err error) error {
	return &shardlog.Error{Kind: shardlog.Unavailable, Op: "call gateway", Err: err}
}

func unanswered(err error) error {
	return &shardlog.Error{Kind: shardlog.Unknown, Op: "call gateway", Err: err}
}

// call asks another gateway, as sync/peer does: Unavailable means that it was
// certainly not reached, Unknown that it may have been. A question that was
// sent may still arrive when nobody waits for the answer any more.
func (n *network) call(ctx context.Context, from *life, to int, body []byte, serve func(ctx context.Context, there *life, body []byte) []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, unreachable(err)
	}
	if from.isDead() {
		return nil, unreachable(errLost)
	}
	if there, _ := n.home(to); there == nil {
		if err := n.travel(ctx, from.host(), to); err != nil {
			return nil, unreachable(err)
		}
		return nil, unreachable(errRefused)
	}
	q := &question{n: n, from: from, to: to, body: bytes.Clone(body), serve: serve, reply: make(chan reply, 1)}
	asked, hungUp := context.WithCancel(from.sim.ctx)
	from.sim.errands.Go(func() { q.run(asked) })
	ping := time.NewTimer(pingTime)
	defer ping.Stop()
	for {
		select {
		case r := <-q.reply:
			hungUp()
			return r.body, r.err
		case <-ping.C:
			if n.answers(from, to) {
				ping.Reset(pingTime)
				continue
			}
			from.sim.errands.Go(func() {
				<-q.reply
				hungUp()
			})
			return nil, unanswered(errLost)
		case <-ctx.Done():
		}
		break
	}
	{
		// The other side hears of it, if at all, a while later.
		from.sim.errands.Go(func() {
			defer hungUp()
			_ = n.travel(from.sim.ctx, from.host(), to)
		})
		return nil, unanswered(ctx.Err())
	}
}

// pingTime is when a connection that brings nothing is given up.
const pingTime = 6 * time.Second

func (n *network) answers(from *life, to int) bool {
	there, _ := n.home(to)
	out, _ := n.passes(from.host(), to)
	back, _ := n.passes(to, from.host())
	return there != nil && !there.isDead() && out && back
}

// question is one call on its way.
type question struct {
	n     *network
	from  *life
	to    int
	body  []byte
	serve func(ctx context.Context, there *life, body []byte) []byte
	reply chan reply
}

type reply struct {
	body []byte
	err  error
}

func (q *question) run(ctx context.Context) {
	n := q.n
	if n.lost() {
		_ = rest(ctx, n.delay())
		q.reply <- reply{err: unanswered(errLost)}
		return
	}
	if n.travel(ctx, q.from.host(), q.to) != nil {
		q.reply <- reply{err: unanswered(errLost)}
		return
	}
	there, _ := n.home(q.to)
	if there == nil || there.isDead() {
		if n.draw().IntN(2) == 0 {
			_ = rest(ctx, pingTime)
		}
		q.reply <- reply{err: unanswered(errRefused)}
		return
	}
	answer := q.serve(ctx, there, q.body)
	if answer == nil || n.lost() || there.isDead() {
		_ = rest(ctx, n.delay())
		q.reply <- reply{err: unanswered(errLost)}
		return
	}
	if n.travel(ctx, q.to, q.from.host()) != nil {
		q.reply <- reply{err: unanswered(errLost)}
		return
	}
	q.reply <- reply{body: answer}
}

// written is an http.ResponseWriter that keeps what is written.
type written struct {
	bytes.Buffer
	header http.Header
	status int
}

func (w *written) Header() http.Header { return w.header }
func (w *written) WriteHeader(s int)   { w.status = s }

type callerKey struct{}

func callerOf(ctx context.Context) string {
	text, _ := ctx.Value(callerKey{}).(string)
	return text
}

// carry is forward.Call over the network.
func (l *life) carry(ctx context.Context, peer, path string, body []byte) ([]byte, error) {
	to, ok := l.sim.hostOfGateway(peer)
	if !ok {
		return nil, unreachable(errRefused)
	}
	return l.sim.net.call(ctx, l, to, body, func(ctx context.Context, there *life, body []byte) []byte {
		if there.carrier == nil || there.name != peer {
			return nil
		}
		ctx = context.WithValue(ctx, callerKey{}, l.name)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body))
		if err != nil {
			return nil
		}
		w := &written{header: http.Header{}, status: http.StatusOK}
		there.handler.ServeHTTP(w, r)
		if w.status != http.StatusOK || there.isDead() {
			return nil
		}
		return append([]byte{}, w.Bytes()...)
	})
}

// source is the store of another gateway, over connections of the network.
type source struct {
	from *life
	to   int
}

// open has the giver write, and reads what comes. An answer that breaks off
// does not end cleanly.
func (s source) open(ctx context.Context, write func(there *life, w io.Writer) error) (io.ReadCloser, error) {
	n := s.from.sim.net
	if err := n.travel(ctx, s.from.host(), s.to); err != nil {
		return nil, unreachable(err)
	}
	there, _ := n.home(s.to)
	if there == nil || there.isDead() || s.from.isDead() || !there.enter() {
		return nil, unreachable(errRefused)
	}
	near, far := n.connect(s.from, there)
	s.from.sim.errands.Go(func() {
		defer there.leave()
		if err := write(there, far); err != nil || n.lost() {
			far.out.reset()
		}
		far.Close()
	})
	stop := context.AfterFunc(ctx, func() { near.in.reset() })
	return &answer{near, stop}, nil
}

type answer struct {
	*conn
	stop func() bool
}

func (a *answer) Close() error {
	a.stop()
	a.conn.in.reset()
	return a.conn.Close()
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.conn.Read(p)
	if err != nil && err != io.EOF {
		err = unanswered(err)
	}
	return n, err
}

func (s source) Offer(ctx context.Context, above uint64, bucket uint32) (io.ReadCloser, error) {
	return s.open(ctx, func(there *life, w io.Writer) error { return there.store.WriteOffer(w, above, bucket) })
}

func (s source) Blocks(ctx context.Context, request []byte) (io.ReadCloser, error) {
	request = bytes.Clone(request)
	return s.open(ctx, func(there *life, w io.Writer) error { return there.store.WriteBlocks(w, request) })
}

func (s source) Keys(ctx context.Context, request []byte) (io.ReadCloser, error) {
	request = bytes.Clone(request)
	return s.open(ctx, func(there *life, w io.Writer) error { return there.store.WriteKeys(w, request) })
}
