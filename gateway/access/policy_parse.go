package access

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// ParseKeyPolicy reads the policy of a key. It is strict: what it does not
// know it refuses, since a rule that is passed over is a rule broken. Kind
// Invalid; the text says where and why.
func ParseKeyPolicy(text string) (*Policy, error) { return parsePolicy(text, MaxKeyPolicy, "") }

// ParseResourcePolicy reads the policy of a resource, whose ARN its statements
// must be about. Kind Invalid.
func ParseResourcePolicy(text, resource string) (*Policy, error) {
	return parsePolicy(text, MaxResourcePolicy, resource)
}

// parsePolicy reads a policy: of a key when resource is "".
func parsePolicy(text string, most int, resource string) (*Policy, error) {
	if len(text) > most {
		return nil, invalidPolicy("it has %d bytes, %d are allowed", len(text), most)
	}
	if !utf8.ValidString(text) {
		return nil, invalidPolicy("it is not UTF-8")
	}
	tree, err := decodeTree([]byte(text))
	if err != nil {
		return nil, err
	}
	top, ok := tree.(map[string]any)
	if !ok {
		return nil, invalidPolicy(`it is no object: write {"Version": "2012-10-17", "Statement": [...]}`)
	}
	if err := known(top, "the policy", "Version", "Id", "Statement"); err != nil {
		return nil, err
	}
	if v := top["Version"]; v != "2012-10-17" && v != "2008-10-17" {
		return nil, invalidPolicy(`Version must be "2012-10-17"`)
	}
	if id, there := top["Id"]; there {
		if _, ok := id.(string); !ok {
			return nil, invalidPolicy("Id must be a text")
		}
	}
	p := &Policy{text: text}
	list, isList := top["Statement"].([]any)
	if !isList {
		list = []any{top["Statement"]}
	}
	if len(list) == 0 {
		return nil, invalidPolicy("Statement is empty")
	}
	for i, one := range list {
		s, err := parseStatement(one, resource)
		if err != nil {
			return nil, fmt.Errorf("Statement %d: %w", i+1, err)
		}
		p.statements = append(p.statements, s)
	}
	return p, nil
}

func parseStatement(tree any, resource string) (s statement, err error) {
	m, ok := tree.(map[string]any)
	if !ok {
		return s, invalidPolicy("it is no object")
	}
	names := []string{"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
	if resource != "" {
		names = append(names, "Principal")
	}
	if err := known(m, "a statement", names...); err != nil {
		return s, err
	}
	if sid, there := m["Sid"]; there {
		if _, ok := sid.(string); !ok {
			return s, invalidPolicy("Sid must be a text")
		}
	}
	switch m["Effect"] {
	case "Allow":
	case "Deny":
		s.deny = true
	default:
		return s, invalidPolicy("Effect must be Allow or Deny")
	}
	if resource != "" {
		if s.principals, err = parsePrincipal(m["Principal"]); err != nil {
			return s, err
		}
	}
	if s.actions, err = parseMatcher(m, "Action", checkAction); err != nil {
		return s, err
	}
	if s.resources, err = parseMatcher(m, "Resource", checkResource); err != nil {
		return s, err
	}
	if resource != "" && s.resources.not == s.resources.any(func(pattern string) bool { return matchResource(pattern, resource) }) {
		return s, invalidPolicy("it is not about %s, whose policy it is to be", resource)
	}
	s.conditions, err = parseConditions(m["Condition"])
	return s, err
}

// known refuses members that have no meaning here.
func known(m map[string]any, what string, names ...string) error {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(names, name) {
			return invalidPolicy("%.80q is not known in %s: there may be %s", name, what, strings.Join(names, ", "))
		}
	}
	return nil
}

// texts are one text or a list of them.
func texts(v any) ([]string, bool) {
	if one, ok := v.(string); ok {
		return []string{one}, true
	}
	list, ok := v.([]any)
	all := make([]string, 0, len(list))
	for _, v := range list {
		one, isText := v.(string)
		ok = ok && isText
		all = append(all, one)
	}
	return all, ok && len(all) > 0
}

// parseMatcher reads Action or NotAction, Resource or NotResource.
func parseMatcher(m map[string]any, name string, check func(string) error) (matcher, error) {
	v, plain := m[name]
	w, not := m["Not"+name]
	if plain == not {
		return matcher{}, invalidPolicy("there must be one of %s and Not%s", name, name)
	}
	if not {
		v, name = w, "Not"+name
	}
	all, ok := texts(v)
	if !ok {
		return matcher{}, invalidPolicy("%s must be a text or a list of texts", name)
	}
	for _, one := range all {
		if err := check(one); err != nil {
			return matcher{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return matcher{not: not, patterns: all}, nil
}

var actionForm = regexp.MustCompile(`^[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+$`)

func checkAction(text string) error {
	if text == "*" || actionForm.MatchString(text) {
		return nil
	}
	return invalidPolicy("%.80q is no action: write kinesis:PutRecord, kinesis:Get* or *", text)
}

// checkResource wants an ARN of this account: one of another would match
// nothing, which whoever denies something must be told.
func checkResource(text string) error {
	if text == "*" {
		return nil
	}
	parts := strings.SplitN(text, ":", arnParts)
	switch {
	case len(parts) != arnParts || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "":
		return invalidPolicy("%.80q is no ARN: write arn:aws:kinesis:*:%s:stream/NAME, or *", text, Account)
	case !match(parts[4], Account):
		return invalidPolicy("%.80q is of another account: here it is %s, or *", text, Account)
	}
	return checkVariables(text)
}

// checkVariables refuses what would have to be filled in and cannot be.
func checkVariables(text string) error {
	if strings.Contains(strings.ReplaceAll(text, userVariable, ""), "${") {
		return invalidPolicy("%.80q has a variable that is not known: there is %s", text, userVariable)
	}
	return nil
}

var principalForm = regexp.MustCompile(`^([0-9]{12}|arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:[^*?\s]+)$`)

// parsePrincipal reads who a statement is about. Accounts and services that
// are not here may be named as AWS allows; they are nobody.
func parsePrincipal(v any) ([]string, error) {
	if v == "*" {
		return []string{"*"}, nil
	}
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 {
		return nil, invalidPolicy(`Principal must be "*" or {"AWS": "arn:aws:iam::%s:user/NAME"}`, Account)
	}
	if err := known(m, "Principal", "AWS", "Service"); err != nil {
		return nil, err
	}
	all := []string{}
	for kind, v := range m {
		list, ok := texts(v)
		if !ok {
			return nil, invalidPolicy("Principal %s must be a text or a list of texts", kind)
		}
		for _, one := range list {
			switch {
			case kind == "Service":
			case one == "*" || principalForm.MatchString(one):
				all = append(all, one)
			default:
				return nil, invalidPolicy("%.80q is no principal: write *, an account's number or arn:aws:iam::%s:user/NAME", one, Account)
			}
		}
	}
	return all, nil
}

func parseConditions(v any) (all []condition, err error) {
	if v == nil {
		return nil, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, invalidPolicy("Condition is no object")
	}
	known := operators()
	for _, name := range slices.Sorted(maps.Keys(m)) {
		op, there := known[name]
		if !there {
			return nil, invalidPolicy("condition operator %.80q is not known: there are %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		keys, ok := m[name].(map[string]any)
		if !ok || len(keys) == 0 {
			return nil, invalidPolicy("%s must name what it compares", name)
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			values, ok := texts(keys[key])
			if !ok {
				return nil, invalidPolicy("%s %.80q must be a text or a list of texts", name, key)
			}
			c, err := newCondition(op, key, values)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all = append(all, c)
		}
	}
	return all, nil
}
