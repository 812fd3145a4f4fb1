package redshift

import (
	"context"
	"errors"
	"fmt"

	"headgate/firehose"
)

// Deliver stages the batch, and a manifest that names it alone, and loads it
// unless the ledger has it.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	if s.aside(b) {
		return s.c.Stage.Deliver(ctx, b)
	}
	if b.Retried { // look before sending
		if r, known := s.look(ctx, b); known {
			return r
		}
	}
	m := manifest(b, s.c.URL+b.Object)
	sql, err := s.copyStatement(b, m.Object)
	if err != nil {
		return firehose.Fail(firehose.Config, err)
	}
	var sent int64
	for _, one := range []*firehose.Batch{b, m} {
		r := s.c.Stage.Deliver(ctx, one)
		if !r.Done() {
			r.Err = fmt.Errorf("stage %s: %w", one.Object, r.Err)
			return r
		}
		sent += r.Bytes
	}
	r := s.load(ctx, b, sql)
	if r.Done() && !r.Already {
		r.Bytes = sent
	}
	return r
}

// look asks the ledger, without a lock; known is false when it has no answer.
func (s *Sink) look(ctx context.Context, b *firehose.Batch) (r firehose.Result, known bool) {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	if s.data != nil {
		return s.data.look(ctx, b)
	}
	x, err := s.connect(ctx)
	if err != nil {
		return s.classify(connecting, err), true
	}
	defer x.close()
	there, err := s.inLedger(ctx, x, b)
	var other *otherBatch
	if errors.As(err, &other) {
		return firehose.Fail(firehose.Config, err), true
	}
	return firehose.Result{Class: firehose.Delivered, Already: true}, there && err == nil
}

// load loads what is staged.
func (s *Sink) load(ctx context.Context, b *firehose.Batch, sql string) firehose.Result {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	if s.data != nil {
		return s.data.load(ctx, b, sql)
	}
	x, err := s.connect(ctx)
	if err != nil {
		return s.classify(connecting, err)
	}
	defer x.close()
	already, at, err := s.transaction(ctx, x, b, sql)
	if at == ledger && sqlState(err) == undefinedTable {
		if err = x.rollback(ctx); err == nil {
			_, err = x.run(ctx, s.createLedger())
		}
		if err == nil || madeMeanwhile(err) {
			already, at, err = s.transaction(ctx, x, b, sql)
		}
	}
	switch {
	case err == nil:
		return firehose.Result{Class: firehose.Delivered, Already: already}
	case at == copying && poisonous(err):
		return s.explain(ctx, x, b, err)
	}
	return s.classify(at, err)
}

// step is where in a load something happened.
type step string

const (
	connecting step = "connect"
	ledger     step = "ledger"
	copying    step = "copy"
	committing step = "commit"
)

// transaction loads the batch and says so in the ledger, both or neither. The
// lock goes before the first look: it makes the transactions of one ledger
// follow each other, and each see what the one before it did.
func (s *Sink) transaction(ctx context.Context, x *session, b *firehose.Batch, sql string) (already bool, at step, err error) {
	id, err := literal(b.ID)
	if err != nil {
		return false, ledger, err
	}
	for _, begin := range []string{"BEGIN", s.lockLedger()} {
		if _, err := x.run(ctx, begin); err != nil {
			return false, ledger, err
		}
	}
	if already, err = s.inLedger(ctx, x, b); already || err != nil {
		return already, ledger, errors.Join(err, x.rollback(ctx))
	}
	if _, err := x.run(ctx, s.insertLedger(id, b)); err != nil {
		return false, ledger, err
	}
	if _, err := x.run(ctx, sql); err != nil {
		return false, copying, err
	}
	done, err := x.run(ctx, "COMMIT")
	if err == nil && done.tag != "COMMIT" { // a transaction that failed earlier answers ROLLBACK, and no error
		err = fmt.Errorf("commit: the server answered %s", done.tag)
	}
	return false, committing, err
}

func (x *session) rollback(ctx context.Context) error {
	_, err := x.run(ctx, "ROLLBACK")
	return err
}

// otherBatch says that the ledger has another batch under our id.
type otherBatch struct{ id string }

func (o *otherBatch) Error() string {
	return "the ledger has other content under batch " + o.id + ": use a ledger of its own"
}

// inLedger reports whether the batch was loaded.
func (s *Sink) inLedger(ctx context.Context, x *session, b *firehose.Batch) (bool, error) {
	id, err := literal(b.ID)
	if err != nil {
		return false, err
	}
	found, err := x.run(ctx, s.selectLedger(id))
	if err != nil {
		return false, err
	}
	for _, row := range found.rows {
		if len(row) == 0 || string(row[0]) != digest(b) {
			return false, &otherBatch{b.ID}
		}
	}
	return len(found.rows) > 0, nil
}
