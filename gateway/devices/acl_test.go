package devices_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"headgate/gateway/devices"
	"headgate/shardlog"
)

// acl is what rules mean for a device.
func acl(t testing.TB, id string, d devices.Details, rules ...devices.Rule) *devices.ACL {
	t.Helper()
	r := newRig(t)
	s := r.gateway(devices.Config{Rules: rules})
	if _, err := s.Create(t.Context(), devices.Order{ID: id, Details: d}); err != nil {
		t.Fatal(err)
	}
	secret, err := s.Rotate(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r.in(s, password(id, secret.Text())).ACL()
}

type asked struct {
	text string
	ok   bool
}

func TestDefaultRules(t *testing.T) {
	a := acl(t, "dev", devices.Details{}, devices.DefaultRules()...)
	for _, q := range []asked{
		{"d/dev", true}, {"d/dev/", true}, {"d/dev/a/b", true}, {"d/dev2/a", false}, {"d/de", false}, {"d", false}, {"d//a", false}, {"D/dev/a", false},
		{"spBv1.0/plant/DDATA/dev", true}, {"spBv1.0/plant/DDATA/dev/motor", true}, {"spBv1.0/plant/DDATA/other/motor", false}, {"spBv1.0/dev", false},
		{"cmd/dev/x", false}, {"$SYS/x", false}, {"/d/dev/a", false}, {"", false}, {"d/dev/+", false}, {"d/dev/#", false}, {"d/dev/\x00", false},
		{"d/dev/" + strings.Repeat("a", 250), true}, {"d/dev/" + strings.Repeat("a", 251), false},
		{"d/dev" + strings.Repeat("/a", 14), true}, {"d/dev" + strings.Repeat("/a", 15), false},
	} {
		if got := a.Publish(q.text); got != q.ok {
			t.Errorf("publish %q: %v", q.text, got)
		}
	}
	for _, q := range []asked{
		{"cmd/dev/#", true}, {"cmd/dev", true}, {"cmd/dev/+/x", true}, {"cmd/dev/x", true}, {"cmd/+/x", false}, {"cmd/#", false}, {"#", false}, {"+/#", false}, {"+", false},
		{"$SYS/#", false}, {"d/dev/#", false}, {"", false}, {"cmd/dev/#/x", false}, {"cmd/dev/x+", false}, {"cmd/dev/x#", false}, {"cmd/dev/++", false},
		{"$share/g/cmd/dev/#", true}, {"$share/g/cmd/other/#", false}, {"$share/g/#", false}, {"$share//cmd/dev/x", false}, {"$share/+/cmd/dev/x", false}, {"$share/g#/cmd/dev/x", false},
		{"$share/g", false}, {"$share", false}, {"$share/", false}, {"$share/g/", false}, {"$share/g/$share/h/cmd/dev/x", false}, {"$share/cmd/dev/x", false},
	} {
		if got := a.Subscribe(q.text); got != q.ok {
			t.Errorf("subscribe %q: %v", q.text, got)
		}
	}
	if !a.Receive("cmd/dev/x") || a.Receive("cmd/other/x") || a.Receive("cmd/dev/#") {
		t.Error("receive")
	}
}

func TestVariables(t *testing.T) {
	a := acl(t, "dev", devices.Details{Groups: []string{"g1", "g2"}, Attributes: map[string]string{"site": "Köln 1", "odd": "a/b", "star": "#", "sys": "$SYS"}},
		devices.Rule{Publish: []string{
			"${device}/x", "g/${group}/${group}/#", "s-${attr.site}/${clientid}", "odd/${attr.odd}", "star/${attr.star}", "${attr.sys}/x", "none/${attr.none}/#",
			"p/#",
		}},
		devices.Rule{Deny: true, Publish: []string{"p/${attr.none}/secret", "p/pre-${attr.none}-post/x", "p/${group}/own", "p/${attr.odd}/odd"}},
		devices.Rule{Groups: []string{"g2", "g9"}, Publish: []string{"second/#"}},
		devices.Rule{Groups: []string{"g9"}, Publish: []string{"ninth/#"}},
	)
	for _, q := range []asked{
		{"dev/x", true}, {"g/g1/g1/y", true}, {"g/g2/g2", true}, {"g/g1/g2", false}, {"s-Köln 1/dev", true}, {"odd/a/b", false}, {"star/x", false}, {"star/#", false}, {"$SYS/x", false},
		{"none/x", false}, {"none/${attr.none}/x", false}, {"p/x", true}, {"p/any/secret", false}, {"p/any/x", false}, {"p/g1/own", false}, {"p/g3/own", true}, {"p/z/odd", false},
		{"second/x", true}, {"ninth/x", false},
	} {
		if got := a.Publish(q.text); got != q.ok {
			t.Errorf("publish %q: %v", q.text, got)
		}
	}
}

func TestWhatOneRuleDeniesNoOtherAllows(t *testing.T) {
	a := acl(t, "dev", devices.Details{},
		devices.Rule{Deny: true, Subscribe: []string{"a/+/secret", "b/#"}, Publish: []string{"#"}},
		devices.Rule{Subscribe: []string{"#", "$SYS/load"}, Publish: []string{"#", "$x/#"}})
	for _, q := range []asked{
		{"a/b/c", true}, {"a/b/secret", false}, {"a/b/+", false}, {"a/#", false}, {"#", false}, {"+/x/secret", false}, {"+/x/open", false}, {"a/x/y/z", true}, {"c/#", true},
		{"b", false}, {"b/x", false}, {"+", false}, {"$SYS/load", true}, {"$SYS/#", false}, {"$SYS/x", false},
	} {
		if got := a.Subscribe(q.text); got != q.ok {
			t.Errorf("subscribe %q: %v", q.text, got)
		}
	}
	if a.Publish("x") || a.Publish("$x/y") {
		t.Error("publish")
	}
}

func TestRulesAreChecked(t *testing.T) {
	for _, r := range []devices.Rule{
		{}, {Publish: []string{""}}, {Publish: []string{"a/#/b"}}, {Publish: []string{"a+/b"}}, {Publish: []string{"a/${who}"}}, {Publish: []string{"a/${attr.}"}},
		{Publish: []string{"a/${attr.a b}"}}, {Publish: []string{"a/${clientid"}}, {Subscribe: []string{"$share/g/a"}}, {Groups: []string{"a/b"}, Publish: []string{"a"}},
		{Publish: make([]string, 65)}, {Publish: []string{"a/#${clientid}"}},
	} {
		wantKind(t, devices.CheckRules([]devices.Rule{r}), shardlog.Invalid)
	}
	wantKind(t, devices.CheckRules(make([]devices.Rule, 257)), shardlog.Invalid)
	if err := devices.CheckRules(devices.DefaultRules()); err != nil {
		t.Error(err)
	}
	if none := acl(t, "dev", devices.Details{}, []devices.Rule{}...); none.Publish("d/dev/x") {
		t.Error("no rules allow something")
	}
}

func TestNothingIsAllocatedToAsk(t *testing.T) {
	a := acl(t, "dev", devices.Details{Groups: []string{"g"}}, append(devices.DefaultRules(), devices.Rule{Deny: true, Publish: []string{"d/+/secret/#"}, Subscribe: []string{"cmd/+/secret"}})...)
	if n := testing.AllocsPerRun(100, func() {
		if !a.Publish("d/dev/line/4/temperature") || a.Publish("d/dev/secret/x") || !a.Subscribe("$share/g/cmd/dev/a/+") || !a.Receive("cmd/dev/a") {
			t.Error("wrong")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPublish(b *testing.B) {
	a := acl(b, "dev", devices.Details{}, devices.DefaultRules()...)
	for b.Loop() {
		a.Publish("d/dev/line/4/temperature")
	}
}

// matches is MQTT's matching, written from the specification (5.0, 4.7) and
// from nothing of ours.
func matches(filter, topic string) bool {
	f, p := strings.Split(filter, "/"), strings.Split(topic, "/")
	if strings.HasPrefix(topic, "$") && (f[0] == "#" || f[0] == "+") {
		return false
	}
	for i, level := range f {
		if level == "#" {
			return len(p) >= i
		}
		if i >= len(p) || level != "+" && level != p[i] {
			return false
		}
	}
	return len(f) == len(p)
}

// somewhere draws a topic, or a filter, of few names, so that things meet.
func somewhere(r *rand.Rand, wild bool) string {
	names := []string{"a", "b", "", "$s", "dev"}
	var levels []string
	for range 1 + r.IntN(4) {
		levels = append(levels, names[r.IntN(len(names))])
		if wild && r.IntN(3) == 0 {
			levels[len(levels)-1] = "+"
		}
	}
	if wild && r.IntN(3) == 0 {
		levels[len(levels)-1] = "#"
	}
	text := strings.Join(levels, "/")
	if text == "" {
		return "a"
	}
	return text
}

// A filter that may be subscribed to never brings a topic that no rule allows,
// or one denies.
func TestAllowedFiltersBringOnlyAllowedTopics(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	allowed, topics := 0, map[string]bool{}
	for len(topics) < 700 { // nearly all there are up to four levels
		topics[somewhere(r, false)] = true
	}
	for range 60 {
		var allow, deny []string
		for range 1 + r.IntN(4) {
			allow = append(allow, somewhere(r, true))
		}
		for range r.IntN(3) {
			deny = append(deny, somewhere(r, true))
		}
		rules := []devices.Rule{{Subscribe: allow, Publish: allow}}
		if len(deny) > 0 {
			rules = append(rules, devices.Rule{Deny: true, Subscribe: deny, Publish: deny})
		}
		a := acl(t, "dev", devices.Details{}, rules...)
		may := func(topic string) bool {
			ok := false
			for _, f := range allow {
				ok = ok || matches(f, topic)
			}
			for _, f := range deny {
				ok = ok && !matches(f, topic)
			}
			return ok
		}
		for topic := range topics {
			if got := a.Receive(topic); got && !may(topic) || got != a.Publish(topic) || !got && may(topic) && !strings.HasPrefix(topic, "$") {
				t.Fatalf("allow %q deny %q: receive %q: %v", allow, deny, topic, got)
			}
		}
		for range 60 {
			f := somewhere(r, true)
			if !a.Subscribe(f) {
				continue
			}
			allowed++
			for topic := range topics {
				if matches(f, topic) && !a.Receive(topic) {
					t.Fatalf("allow %q deny %q: filter %q brings %q", allow, deny, f, topic)
				}
			}
		}
	}
	if allowed < 100 {
		t.Errorf("only %d filters were allowed: the test says little", allowed)
	}
}

func FuzzFilters(f *testing.F) {
	f.Add("a/#", "a/+/secret", "a/b/#", "a/b/secret")
	f.Add("#", "b", "+/x", "$SYS/x")
	f.Add("+/+", "#", "$share/g/a/b", "a/b")
	f.Fuzz(func(t *testing.T, allow, deny, filter, topic string) {
		rules := []devices.Rule{{Subscribe: []string{allow}}, {Deny: true, Subscribe: []string{deny}}}
		if strings.Contains(allow+deny, "${") || devices.CheckRules(rules) != nil || len(topic) > 200 {
			return
		}
		a := acl(t, "dev", devices.Details{}, rules...)
		inner := filter
		if share, ok := strings.CutPrefix(filter, "$share/"); ok {
			_, inner, _ = strings.Cut(share, "/")
		}
		if strings.ContainsAny(topic, "+#\x00") || topic == "" || strings.Count(topic, "/") >= 16 {
			if a.Receive(topic) {
				t.Fatalf("%q is no topic", topic)
			}
			return
		}
		if a.Receive(topic) && (!matches(allow, topic) || matches(deny, topic)) {
			t.Fatalf("topic %q is allowed", topic)
		}
		if a.Subscribe(filter) && matches(inner, topic) && !a.Receive(topic) {
			t.Fatalf("filter %q brings %q", filter, topic)
		}
	})
}

func ExampleRule() {
	fmt.Println(devices.CheckRules([]devices.Rule{{Groups: []string{"hall-2"}, Subscribe: []string{"halls/${attr.hall}/#"}}}))
	// Output: <nil>
}
