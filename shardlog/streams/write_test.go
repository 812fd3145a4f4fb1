package streams_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/shardlogtest"
	"headgate/shardlog/streams"
)

func numbered(key string, from, n int) []shardlog.Entry {
	var all []shardlog.Entry
	for i := range n {
		all = append(all, shardlog.Entry{Key: key, Data: fmt.Appendf(nil, "%s/%d", key, from+i)})
	}
	return all
}

// contents reads a stream, in order by partition key.
func contents(t *testing.T, s *site, name shardlog.StreamName) map[string][]string {
	t.Helper()
	st, ok := s.Stream(name)
	if !ok {
		t.Fatalf("no stream %s", name)
	}
	all := map[string][]string{}
	for _, sh := range st.Shards {
		var at shardlog.Cursor
		for {
			p, err := s.Read(context.Background(), sh.ID, at, shardlog.Budget{Records: 1000, Bytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range p.Records {
				all[r.Key] = append(all[r.Key], string(r.Data))
			}
			if at = p.Next; p.Tip {
				break
			}
		}
	}
	return all
}

func TestConcurrentPutsKeepTheOrderOfEachKey(t *testing.T) {
	s := openSite(t, func(c *streams.Config) { c.Limits = quota.Limits{Off: true}; c.SyncsPerSecond = 200 })
	if err := s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 5}); err != nil {
		t.Fatal(err)
	}
	var puts sync.WaitGroup
	for k := range 20 {
		puts.Go(func() {
			key := fmt.Sprint("key", k)
			for n := 0; n < 200; n += 10 {
				if _, err := s.Put(t.Context(), "s", numbered(key, n, 10)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	puts.Wait()
	all := contents(t, s, "s")
	for k := range 20 {
		key := fmt.Sprint("key", k)
		if len(all[key]) != 200 {
			t.Fatalf("%s has %d records", key, len(all[key]))
		}
		for n, data := range all[key] {
			if data != fmt.Sprintf("%s/%d", key, n) {
				t.Fatalf("%s: record %d is %s", key, n, data)
			}
		}
	}
	if st := s.Stats(); st.Records != 4000 || st.Commits == 0 || st.Commits > 400 {
		t.Errorf("%d records in %d commits", st.Records, st.Commits)
	}
}

func TestAnUnknownOutcomeIsProposedAgainAndStoredOnce(t *testing.T) {
	for _, applied := range []bool{false, true} {
		s := openSite(t, nil)
		if err := s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 2}); err != nil {
			t.Fatal(err)
		}
		lost := 2
		s.proposer.before = func(shardlog.Command) (bool, error) {
			if lost--; lost < 0 {
				return true, nil
			}
			return applied, &shardlog.Error{Kind: shardlog.Unknown, Op: "propose"}
		}
		results, err := s.Put(t.Context(), "s", numbered("k", 0, 3))
		if err != nil {
			t.Fatal(err)
		}
		if got := contents(t, s, "s")["k"]; fmt.Sprint(got) != "[k/0 k/1 k/2]" {
			t.Fatalf("applied %v: stored %v", applied, got)
		}
		for i, r := range results {
			if r.Err != nil || r.Number.Index != shardlog.Seq(i+1) {
				t.Fatalf("result %d: %+v", i, r)
			}
		}
		if _, err := s.Put(t.Context(), "s", numbered("k", 3, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAConflictFailsOnlyItsOwnPut(t *testing.T) {
	s := openSite(t, nil)
	if err := s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	once := shardlog.Mutation{Space: "q", Key: "id", Value: []byte{1}, Expect: shardlog.Absent()}
	var good, conflicts int
	var mu sync.Mutex
	var puts sync.WaitGroup
	for i := range 8 {
		puts.Go(func() {
			_, err := s.Put(t.Context(), "s", numbered(fmt.Sprint("m", i), 0, 1), once)
			if _, e := s.Put(t.Context(), "s", numbered(fmt.Sprint("plain", i), 0, 1)); e != nil {
				t.Error(e)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				good++
			case shardlog.KindOf(err) == shardlog.Conflict:
				conflicts++
			default:
				t.Error(err)
			}
		})
	}
	puts.Wait()
	if good != 1 || conflicts != 7 {
		t.Fatalf("%d Puts went through, %d conflicts", good, conflicts)
	}
	if n := len(contents(t, s, "s")); n != 9 {
		t.Fatalf("%d keys are stored, want 8 plain ones and one with the mutation", n)
	}
}

func TestSyncsAreFewWhileLittleComesIn(t *testing.T) {
	s := openSite(t, func(c *streams.Config) { c.SyncsPerSecond = 20 })
	if err := s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var puts sync.WaitGroup
	for i := range 10 {
		puts.Go(func() {
			for n := range 10 {
				if _, err := s.Put(t.Context(), "s", numbered(fmt.Sprint(i), n, 1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	puts.Wait()
	if commits, most := s.Stats().Commits, uint64(time.Since(began).Seconds()*20)+2; commits > most {
		t.Fatalf("%d commits, at most %d in that time", commits, most)
	}
}

func TestNobodyLeadsAndPutsAreTurnedAway(t *testing.T) {
	m := shardlogtest.NewMemory()
	if err := m.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s"}); err != nil {
		t.Fatal(err)
	}
	l, err := streams.New(streams.Config{Proposer: nowhere{}, Catalog: m, States: m, Ground: nothing{}, Patience: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Put(t.Context(), "s", numbered("k", 0, 1)); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Fatal(err)
	}
}

type nowhere struct{}

func (nowhere) Propose(context.Context, shardlog.Command) (shardlog.Outcome, error) {
	return shardlog.Outcome{}, errors.New("nobody to ask")
}

type nothing struct{}

func (nothing) Tail() shardlog.Tail                           { return shardlog.Tail{} }
func (nothing) Extents(shardlog.StreamID) []shardlog.Extent   { return nil }
func (nothing) LastBundle(gateway, incarnation uint64) uint64 { return 0 }

func (nothing) Memo(shardlog.BundleID) (shardlog.Memo, bool, error) {
	return shardlog.Memo{}, false, nil
}
func (nothing) Usage() (shardlog.Usage, error) { return shardlog.Usage{}, nil }
