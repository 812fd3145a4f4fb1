package gateway

import (
	"testing"

	"headgate/sync/raftgroup"
)

func TestAGatewayGivesItsLogUpOnlyWhenTheOthersCanVoteWithoutIt(t *testing.T) {
	a, b, c := raftgroup.Member{ID: "a", Voter: true}, raftgroup.Member{ID: "b", Voter: true}, raftgroup.Member{ID: "c", Voter: true}
	learner := func(m raftgroup.Member) raftgroup.Member { m.Voter = false; return m }
	good, holey, away := raftgroup.Fact{Reachable: true}, raftgroup.Fact{Reachable: true, Holes: true}, raftgroup.Fact{}
	for _, x := range []struct {
		name    string
		members []raftgroup.Member
		b, c    raftgroup.Fact
		want    bool
	}{
		{"the voter of two", []raftgroup.Member{a, learner(b)}, good, away, false},
		{"one of three", []raftgroup.Member{a, b, c}, good, good, true},
		{"one of three, of whom another is away", []raftgroup.Member{a, b, c}, good, away, false},
		{"one of three, of whom another has holes", []raftgroup.Member{a, b, c}, good, holey, false},
		{"a learner", []raftgroup.Member{learner(a), b}, good, away, true},
	} {
		facts := map[string]raftgroup.Fact{"a": good, "b": x.b, "c": x.c}
		if got := spare(x.members, "a", facts); got != x.want {
			t.Errorf("%s: %v", x.name, got)
		}
	}
}
