package raftgroup

import (
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/shardlog"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// site reads "a* b* c": the members in order, voters with a star.
func site(text string) []Member {
	var all []Member
	for _, f := range strings.Fields(text) {
		id, voter := strings.CutSuffix(f, "*")
		all = append(all, Member{ID: id, Address: "at-" + id, Voter: voter})
	}
	return all
}

// known reads "b:ok c:behind d:holes e:3m": what a knows of the others, a
// duration being how long one has been away. One that is left out was never heard of.
func known(text string) map[string]Fact {
	facts := map[string]Fact{}
	for _, f := range strings.Fields(text) {
		id, what, _ := strings.Cut(f, ":")
		switch what {
		case "ok":
			facts[id] = Fact{Reachable: true, Applied: 100, Since: noon}
		case "behind":
			facts[id] = Fact{Reachable: true, Applied: 99, Since: noon}
		case "holes":
			facts[id] = Fact{Reachable: true, Applied: 100, Since: noon, Holes: true}
		case "moved":
			facts[id] = Fact{Reachable: true, Applied: 100, Since: noon, Address: "new-" + id}
		case "clash":
			facts[id] = Fact{Reachable: true, Applied: 100, Since: noon, Address: "at-a"}
		default:
			d, err := time.ParseDuration(what)
			if err != nil {
				panic(err)
			}
			facts[id] = Fact{Applied: 100, Since: noon.Add(-d)}
		}
	}
	return facts
}

func stateOf(facts string) state {
	return state{
		now: noon, self: "a", address: "at-a", past: []sample{{noon.Add(-mayLag), 100}}, facts: known(facts),
		began: noon.Add(-time.Minute), replaces: 5 * time.Minute,
	}
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name, members, facts string
		edit                 func(s *state)
		want                 string
	}{
		{"alone", "a*", "", nil, " "},
		{"a second does not vote", "a* b", "b:ok", nil, " "},
		{"two learners are promoted", "a* b c", "b:ok c:ok", nil, "promote b"},
		{"not while one is behind", "a* b c", "b:ok c:behind", nil, " "},
		{"nor with holes", "a* b c", "b:holes c:ok", nil, " "},
		{"nor away", "a* b c", "b:ok c:1s", nil, " "},
		{"nor unheard of", "a* b c", "b:ok", nil, " "},
		{"nor soon after a failure", "a* b c", "b:ok c:ok", func(s *state) { s.held = noon.Add(time.Second) }, " "},
		{"but afterwards", "a* b c", "b:ok c:ok", func(s *state) { s.held = noon }, "promote b"},
		{"the ready ones of three learners", "a* b c d", "b:behind c:ok d:ok", nil, "promote c"},

		{"two voters go on at once", "a* b* c", "b:ok c:ok", func(s *state) { s.even = noon }, "promote c"},
		{"two voters wait a little", "a* b* c", "b:ok c:2s", func(s *state) { s.even = noon.Add(-29 * time.Second) }, " "},
		{"and then go back", "a* b* c", "b:ok c:2s", func(s *state) { s.even = noon.Add(-30 * time.Second) }, "demote b"},
		{"at once when the other is away", "a* b* c", "b:1s c:behind", func(s *state) { s.even = noon }, "demote b"},
		{"two voters, nobody else", "a* b*", "b:ok", func(s *state) { s.even = noon.Add(-time.Minute) }, "demote b"},
		{"two voters, a third instead of the one away", "a* b* c", "b:1s c:ok", nil, "promote c"},

		{"three are fine", "a* b* c*", "b:ok c:ok", nil, " "},
		{"three and a learner are fine", "a* b* c* d", "b:ok c:behind d:ok", nil, " "},
		{"a voter away shortly", "a* b* c* d", "b:ok c:4m d:ok", nil, " "},
		{"a voter away too long", "a* b* c* d", "b:ok c:6m d:ok", nil, "promote d"},
		{"one that never was heard of counts from the reign", "a* b* c* d", "b:ok d:ok", nil, " "},
		{"and is replaced in the end", "a* b* c* d", "b:ok d:ok", func(s *state) { s.began = noon.Add(-6 * time.Minute) }, "promote d"},
		{"nobody to take its place", "a* b* c*", "b:ok c:6m", nil, " "},
		{"nobody ready to take it", "a* b* c* d", "b:ok c:6m d:behind", nil, " "},
		{"a voter with holes", "a* b* c* d", "b:holes c:ok d:ok", nil, "promote d"},
		{"holes, but nobody ready", "a* b* c* d", "b:holes c:ok d:holes", nil, " "},
		{"the leader has holes", "a* b* c* d", "a:holes b:behind c:ok d:ok", nil, "hand leadership to c"},
		{"all have holes", "a* b* c*", "a:holes b:holes c:holes", nil, " "},

		{"four: the one away goes", "a* b* c* d*", "b:ok c:6m d:ok", nil, "demote c"},
		{"four: the one with holes goes", "a* b* c* d*", "b:holes c:ok d:ok", nil, "demote b"},
		{"four: the one behind goes", "a* b* c* d*", "b:ok c:behind d:ok", nil, "demote c"},
		{"four: the newest goes", "a* b* c* d*", "b:ok c:ok d:ok", nil, "demote d"},
		{"five: one at a time", "a* b* c* d* e*", "b:ok c:ok d:ok e:ok", nil, "demote e"},
		{"the demoted one is back", "a* b* c d*", "b:ok c:ok d:ok", nil, " "},
		{"and takes another's place", "a* b* c d*", "b:6m c:ok d:ok", nil, "promote c"},

		{"the leader has moved", "a* b", "b:ok", func(s *state) { s.address = "new-a" }, "set address a"},
		{"another has moved", "a* b", "b:moved", nil, "set address b"},
		{"to a taken address", "a* b", "b:clash", nil, " "},
		{"a leader that does not vote", "a b* c*", "b:6m c:ok", nil, " "},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stateOf(c.facts)
			if c.edit != nil {
				c.edit(&s)
			}
			if got := s.plan(site(c.members)).String(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestRemovalKeepsVotersOdd(t *testing.T) {
	for _, c := range []struct {
		name, members, facts, id string
		forced                   bool
		want                     string // steps, or the kind of the refusal
	}{
		{"a learner", "a* b", "b:ok", "b", false, "remove b"},
		{"a stranger", "a* b", "b:ok", "x", false, "not found"},
		{"the only voter", "a* b", "b:ok", "a", false, "Invalid"},
		{"the only voter, forced", "a* b", "b:ok", "a", true, "Invalid"},
		{"the leader", "a* b* c*", "b:6m c:ok", "a", false, "hand leadership to c"},
		{"a voter of three", "a* b* c* d", "b:ok c:ok d:ok", "b", false, "promote d, demote b, remove b"},
		{"a dead one", "a* b* c* d", "b:9m c:ok d:ok", "b", false, "promote d, demote b, remove b"},
		{"with nobody for its place", "a* b* c*", "b:ok c:ok", "b", false, "Invalid"},
		{"with nobody ready for it", "a* b* c* d", "b:ok c:ok d:holes", "b", false, "Invalid"},
		{"forced", "a* b* c*", "b:ok c:ok", "c", true, "demote c, demote b, remove c"},
		{"forced, nobody is there", "a* b* c*", "", "c", true, "Unavailable"},
		{"forced, the one to go is away", "a* b* c*", "b:ok c:9m", "c", true, "demote c, demote b, remove c"},
		{"forced, the other one is away", "a* b* c*", "b:ok c:9m", "b", true, "demote c, demote b, remove b"},
		{"forced for no reason", "a* b* c* d", "b:ok c:ok d:ok", "c", true, "promote d, demote c, remove c"},
		{"one of two", "a* b* c", "b:ok c:ok", "b", false, "remove b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stateOf(c.facts)
			decide := s.removal
			if c.forced {
				decide = s.forcedRemoval
			}
			steps, err := decide(site(c.members), c.id)
			var got []string
			for _, step := range steps {
				got = append(got, step.String())
			}
			text := strings.Join(got, ", ")
			if err != nil {
				text = shardlog.KindOf(err).String()
			}
			if !strings.EqualFold(text, c.want) {
				t.Errorf("%q, want %q (%v)", text, c.want, err)
			}
		})
	}
}

// A plan is followed to its end from many beginnings: it must end, with an odd
// number of voters, three where three are ready.
func TestPlansEndWithOddVoters(t *testing.T) {
	for _, members := range []string{"a*", "a* b", "a* b c", "a* b c d", "a* b* c d", "a* b* c*", "a* b* c* d e", "a* b* c* d* e*"} {
		for _, facts := range []string{"", "b:ok", "b:ok c:ok", "b:ok c:ok d:ok e:ok", "b:holes c:ok d:ok", "b:9m c:ok d:ok", "b:ok c:9m d:9m e:ok"} {
			all, s := site(members), stateOf(facts)
			s.even = noon.Add(-time.Hour)
			for range 10 {
				next := s.plan(all)
				if next.do == nothing {
					break
				}
				i := slices.IndexFunc(all, func(m Member) bool { return m.ID == next.id })
				all[i].Voter = next.do == promote
				if next.do == demote && voters(all) == 1 {
					s.held = noon.Add(time.Minute)
				}
			}
			if next := s.plan(all); next.do != nothing || voters(all)%2 == 0 || voters(all) > mostVoters {
				t.Errorf("%s with %s: %v, next %q", members, facts, all, next)
			}
		}
	}
}

func TestCaughtUpIsJudgedByTheTimeOfTheReport(t *testing.T) {
	s := stateOf("b:ok")
	s.past = []sample{{noon.Add(-2 * time.Second), 10}, {noon.Add(-time.Second), 20}, {noon, 30}}
	for _, c := range []struct {
		since time.Duration // of the report, before noon
		has   uint64
		want  bool
	}{
		{0, 20, true}, {0, 19, false},
		{time.Second, 10, true}, {time.Second, 9, false},
		{time.Minute, 10, true}, {time.Minute, 9, false},
		{-time.Minute, 30, true}, {-time.Minute, 29, false},
	} {
		s.facts["b"] = Fact{Reachable: true, Applied: c.has, Since: noon.Add(-c.since)}
		if got := s.ready(Member{ID: "b"}); got != c.want {
			t.Errorf("%d reported %v ago: %v", c.has, c.since, got)
		}
	}
}
