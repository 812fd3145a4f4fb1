package shardlogtest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// twisted reads a log wrongly.
type twisted struct {
	*shardlogtest.Memory
	twist func(p *shardlog.Page)
}

func (l twisted) Read(ctx context.Context, id shardlog.ShardID, from shardlog.Cursor, most shardlog.Budget) (shardlog.Page, error) {
	page, err := l.Memory.Read(ctx, id, from, most)
	page.Records = append([]shardlog.Record(nil), page.Records...)
	l.twist(&page)
	return page, err
}

func TestLedger(t *testing.T) {
	cut := func(p *shardlog.Page, i int) { p.Records = append(p.Records[:i], p.Records[i+1:]...) }
	tests := map[string]struct {
		note  func(l *shardlogtest.Ledger)
		twist func(p *shardlog.Page)
		want  string // in the report's error; "" for none
	}{
		"all is well":        {},
		"missing":            {twist: func(p *shardlog.Page) { cut(p, 2) }, want: "1 missing, 0 altered, 0 numbered twice, 1 holes"},
		"missing at the end": {twist: func(p *shardlog.Page) { cut(p, 5) }, want: "1 missing, 0 altered, 0 numbered twice, 1 holes"},
		"altered":            {twist: func(p *shardlog.Page) { p.Records[1].Data = []byte("x") }, want: "0 missing, 1 altered, 0 numbered twice, 0 holes, 1 strange"},
		"swapped":            {twist: func(p *shardlog.Page) { p.Records[1].Data, p.Records[2].Data = p.Records[2].Data, p.Records[1].Data }, want: "2 altered"},
		"other stamp":        {twist: func(p *shardlog.Page) { p.Records[5].Arrived = p.Records[5].Arrived.Add(5e9) }, want: "1 altered"},
		"read again":         {twist: func(p *shardlog.Page) { p.Records = append(p.Records, p.Records[5]) }, want: "1 numbered twice"},
		"backwards":          {twist: func(p *shardlog.Page) { p.Records[0].Arrived = p.Records[0].Arrived.Add(1) }, want: "1 disordered"},
		"numbered twice": {note: func(l *shardlogtest.Ledger) {
			l.Ack(entry(1), shardlog.Result{Shard: shardlog.ShardID{Stream: 1}, Number: shardlog.SequenceNumber{Index: 2}})
		}, want: "1 numbered twice"},
		"a shard is gone": {note: func(l *shardlogtest.Ledger) {
			l.Ack(entry(1), shardlog.Result{Shard: shardlog.ShardID{Stream: 9}, Number: shardlog.SequenceNumber{Index: 2}})
		}, want: "1 missing"},
		"nowhere":         {note: func(l *shardlogtest.Ledger) { l.AckSomewhere(entry(77)) }, want: "1 missing"},
		"somewhere":       {note: func(l *shardlogtest.Ledger) { l.AckSomewhere(entry(1)) }},
		"refused":         {note: func(l *shardlogtest.Ledger) { l.Ack(entry(77), shardlog.Result{Err: context.Canceled}) }},
		"unknown outcome": {note: func(l *shardlogtest.Ledger) { l.Try(entry(77)) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var ledger shardlogtest.Ledger
			log := twisted{shardlogtest.NewMemory(), test.twist}
			log.Memory.Now = func() time.Time { return time.UnixMilli(1.8e12) } // all in one millisecond
			if log.twist == nil {
				log.twist = func(*shardlog.Page) {}
			}
			fill(t, log.Memory, &ledger)
			if test.note != nil {
				test.note(&ledger)
			}
			report, err := ledger.Check(t.Context(), log)
			if err != nil {
				t.Fatal(err)
			}
			if err := report.Err(); test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func entry(i int) shardlog.Entry {
	return shardlog.Entry{Key: "k", Data: fmt.Appendf(nil, "%d", i)}
}

// fill puts six entries into one shard.
func fill(t *testing.T, m *shardlogtest.Memory, ledger *shardlogtest.Ledger) {
	t.Helper()
	made(t, m)
	for i := range 6 {
		ledger.Try(entry(i))
		results, err := m.Put(t.Context(), "s", []shardlog.Entry{entry(i)})
		if err != nil {
			t.Fatal(err)
		}
		ledger.Ack(entry(i), results[0])
	}
}

func TestLedgerAcceptsWhatIsAccountedFor(t *testing.T) {
	var ledger shardlogtest.Ledger
	m := shardlogtest.NewMemory()
	fill(t, m, &ledger)
	s, _ := m.Stream("s")
	if err := m.GiveUp(s.Shards[0].ID, 3, shardlog.Accepted); err != nil {
		t.Fatal(err)
	}
	if err := m.Trim(s.Shards[0].ID, 4); err != nil {
		t.Fatal(err)
	}
	report, err := ledger.Check(t.Context(), m)
	if err != nil || report.Err() != nil || report.GivenUp != 2 || report.Expired != 1 || report.Read != 3 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestLedgerFindsCopies(t *testing.T) {
	var ledger shardlogtest.Ledger
	m := shardlogtest.NewMemory()
	fill(t, m, &ledger)
	if _, err := m.Put(t.Context(), "s", []shardlog.Entry{entry(1)}); err != nil {
		t.Fatal(err)
	}
	report, err := ledger.Check(t.Context(), m, "s")
	if err != nil || report.Copied != 1 || report.Err() == nil {
		t.Errorf("%+v, %v", report, err)
	}
	ledger.Try(entry(1))
	if report, err = ledger.Check(t.Context(), m, "s"); err != nil || report.Err() != nil {
		t.Errorf("after a retry: %+v, %v", report, err)
	}
	if _, err := ledger.Check(t.Context(), m, "another"); err == nil || shardlog.KindOf(err) != shardlog.NotFound {
		t.Errorf("%v, want NotFound", err)
	}
}
