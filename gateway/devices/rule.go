package devices

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"headgate/shardlog"
)

// Rule allows topics to devices, or denies them. What no rule allows is denied,
// and what one denies no other allows, whatever their order.
//
// Filters are MQTT's, with variables: ${clientid} and ${device} are the
// device's id, ${group} each of its groups, ${attr.NAME} an attribute. A device
// that lacks a group or an attribute, or has a value that would mean something
// in a filter (with + # / or a leading $), is not allowed anything by that
// filter; in a rule that denies, the level with the variable is then any level.
type Rule struct {
	Deny      bool     `json:"deny,omitempty" yaml:"deny"`
	Groups    []string `json:"groups,omitempty" yaml:"groups"` // only devices of one of them; none: all
	Publish   []string `json:"publish,omitempty" yaml:"publish"`
	Subscribe []string `json:"subscribe,omitempty" yaml:"subscribe"`
}

// DefaultRules let a device publish its data and its Sparkplug messages, by a
// rule too (AWS IoT's Basic Ingest), subscribe to its commands, and use its own
// shadows and jobs.
func DefaultRules() []Rule {
	return []Rule{{
		Publish:   []string{"d/${clientid}/#", "spBv1.0/+/+/${clientid}/#", "$aws/things/${clientid}/#", "$aws/rules/+/d/${clientid}/#"},
		Subscribe: []string{"cmd/${clientid}/#", "$aws/things/${clientid}/#"},
	}}
}

// CheckRules says what is wrong with rules. Kind Invalid.
func CheckRules(all []Rule) error {
	_, err := compile(all, defaultTopicBytes, defaultTopicLevels)
	return err
}

const (
	mostRules   = 256
	mostFilters = 64 // of a rule and an action
)

// rules are Rules that were checked.
type rules struct {
	all           []Rule
	bytes, levels int
}

func compile(all []Rule, bytes, levels int) (*rules, error) {
	if len(all) > mostRules {
		return nil, badRule("%d rules, %d are allowed", len(all), mostRules)
	}
	c := &rules{bytes: bytes, levels: levels}
	for i, r := range all {
		if len(r.Publish)+len(r.Subscribe) == 0 {
			return nil, badRule("rule %d says nothing about topics", i+1)
		}
		if len(r.Publish) > mostFilters || len(r.Subscribe) > mostFilters {
			return nil, badRule("rule %d has over %d filters", i+1, mostFilters)
		}
		for _, g := range r.Groups {
			if !isName(g) {
				return nil, badRule("rule %d: %.80q cannot be a group", i+1, g)
			}
		}
		for _, text := range slices.Concat(r.Publish, r.Subscribe) {
			if err := checkPattern(text); err != nil {
				return nil, badRule("rule %d: filter %.80q: %w", i+1, text, err)
			}
		}
		c.all = append(c.all, Rule{r.Deny, slices.Clone(r.Groups), slices.Clone(r.Publish), slices.Clone(r.Subscribe)})
	}
	return c, nil
}

func badRule(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "read rules", format, args...)
}

func checkPattern(text string) error {
	plain, _, err := expand(text, func(string) (string, bool) { return "x", true })
	if err != nil {
		return err
	}
	if strings.HasPrefix(plain, "$share/") || plain == "$share" {
		return fmt.Errorf("write the filter without $share: it counts for shared subscriptions as well")
	}
	_, err = parseFilter(plain)
	return err
}

// expand puts values into a pattern. missing says that there was none for a
// variable; the level is "+" then.
func expand(pattern string, value func(name string) (string, bool)) (text string, missing bool, err error) {
	levels := strings.Split(pattern, "/")
	for i, level := range levels {
		var b strings.Builder
		lacks := false
		for {
			before, after, ok := strings.Cut(level, "${")
			b.WriteString(before)
			if !ok {
				break
			}
			name, rest, ok := strings.Cut(after, "}")
			attribute, isAttribute := strings.CutPrefix(name, "attr.")
			if !ok || isAttribute && !isName(attribute) || !isAttribute && name != "clientid" && name != "device" && name != "group" {
				return "", false, fmt.Errorf("${%s is none of ${clientid}, ${device}, ${group} and ${attr.NAME}", after)
			}
			v, has := value(name)
			if !has {
				lacks = true
			}
			b.WriteString(v)
			level = rest
		}
		if levels[i] = b.String(); lacks {
			levels[i], missing = "+", true
		}
	}
	return strings.Join(levels, "/"), missing, nil
}

// of is what the rules mean for a device.
func (c *rules) of(id string, d Details) *ACL {
	a := &ACL{bytes: c.bytes, levels: c.levels}
	for _, r := range c.all {
		if len(r.Groups) > 0 && !slices.ContainsFunc(r.Groups, func(g string) bool { return slices.Contains(d.Groups, g) }) {
			continue
		}
		publish, subscribe := &a.publish.allow, &a.subscribe.allow
		if r.Deny {
			publish, subscribe = &a.publish.deny, &a.subscribe.deny
		}
		*publish = append(*publish, mean(r.Publish, r.Deny, id, d)...)
		*subscribe = append(*subscribe, mean(r.Subscribe, r.Deny, id, d)...)
	}
	return a
}

// mean is what patterns are for a device: each once, or once for each of its
// groups.
func mean(patterns []string, deny bool, id string, d Details) []filter {
	all := map[string]filter{}
	groups := d.Groups
	if len(groups) == 0 {
		groups = []string{""}
	}
	for _, pattern := range patterns {
		for _, group := range groups {
			text, missing, err := expand(pattern, func(name string) (string, bool) {
				v := d.Attributes[strings.TrimPrefix(name, "attr.")]
				switch name {
				case "clientid", "device":
					v = id
				case "group":
					v = group
				}
				return v, v != "" && !strings.ContainsAny(v, "+#/") && v[0] != '$'
			})
			if err != nil || missing && !deny {
				continue
			}
			if f, err := parseFilter(text); err == nil {
				all[text] = f
			}
		}
	}
	var out []filter
	for _, text := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[text])
	}
	return out
}
