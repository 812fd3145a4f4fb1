package gateway

import "testing"

func TestTheLastWholeCopiesAreNotSpared(t *testing.T) {
	whole := func(id string) MemberStatus { return MemberStatus{ID: id, Reachable: true} }
	holes, away, behind := whole("c"), whole("c"), whole("c")
	holes.Holes, away.Reachable, behind.Lag = true, false, lagging+1
	for name, c := range map[string]struct {
		third MemberStatus
		id    string
		spare bool
	}{
		"one of three whole":           {whole("c"), "b", true},
		"a whole one beside holes":     {holes, "b", false},
		"the one with holes":           {holes, "c", true},
		"a whole one beside a dead":    {away, "b", false},
		"the dead one":                 {away, "c", true},
		"a whole one beside a laggard": {behind, "a", false},
	} {
		s := SiteStatus{Members: []MemberStatus{whole("a"), whole("b"), c.third}}
		if got := s.copies(c.id) >= s.leastCopies(); got != c.spare {
			t.Errorf("%s: %v", name, got)
		}
	}
	two := SiteStatus{Members: []MemberStatus{whole("a"), whole("b")}}
	if two.copies("b") < two.leastCopies() {
		t.Error("the second of two cannot go")
	}
}
