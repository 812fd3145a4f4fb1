package access

import "strings"

// match reports whether text is what the pattern means: * is any run of
// characters, ? is any one.
func match(pattern, text string) bool {
	star, back := -1, 0 // the last star, and how far it reaches
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			back++
			p, t = star+1, back
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchFold is match that does not tell capitals from small letters: names of
// actions are so.
func matchFold(pattern, text string) bool {
	return match(strings.ToLower(pattern), strings.ToLower(text))
}

// arnParts is how many parts an ARN has: arn, partition, service, region,
// account, and what it names there.
const arnParts = 6

// matchResource compares two ARNs part by part. Partition and region are not
// compared: every region shows the same streams, so a rule for one must hold
// in all, or signing for another would be a way around it.
func matchResource(pattern, resource string) bool {
	if pattern == "*" || resource == "*" {
		return pattern == "*"
	}
	p, r := strings.SplitN(pattern, ":", arnParts), strings.SplitN(resource, ":", arnParts)
	if len(p) != arnParts || len(r) != arnParts {
		return false
	}
	return match(p[2], r[2]) && match(p[4], r[4]) && match(p[5], r[5])
}

// userVariable stands in a pattern for the name of the key that asks.
const userVariable = "${aws:username}"

// expand puts the name into a pattern. Names hold no wildcards.
func expand(pattern string, r *Request) string {
	if !strings.Contains(pattern, "$") {
		return pattern
	}
	return strings.ReplaceAll(pattern, userVariable, r.User)
}
