package awsapi

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Rule is one constraint on a member. An absent member breaks only NotNull.
type Rule struct {
	text  string
	null  bool // also asked about absent members
	holds func(value any) bool
}

// NotNull wants the member to be there.
func NotNull() Rule {
	return Rule{"Member must not be null", true, func(v any) bool { return v != nil }}
}

// Least wants a number of at least n.
func Least(n int64) Rule {
	return Rule{"Member must have value greater than or equal to " + itoa(n), false,
		func(v any) bool { return v.(int64) >= n }}
}

// Most wants a number of at most n.
func Most(n int64) Rule {
	return Rule{"Member must have value less than or equal to " + itoa(n), false,
		func(v any) bool { return v.(int64) <= n }}
}

// Shortest wants a length of at least n: characters, bytes or elements.
func Shortest(n int) Rule {
	return Rule{"Member must have length greater than or equal to " + itoa(int64(n)), false,
		func(v any) bool { return length(v) >= n }}
}

// Longest wants a length of at most n: characters, bytes or elements.
func Longest(n int) Rule {
	return Rule{"Member must have length less than or equal to " + itoa(int64(n)), false,
		func(v any) bool { return length(v) <= n }}
}

// Pattern wants the whole text to match. It panics when the pattern is none.
func Pattern(pattern string) Rule {
	whole := regexp.MustCompile(`^(?:` + pattern + `)$`)
	return Rule{"Member must satisfy regular expression pattern: " + pattern, false,
		func(v any) bool { return whole.MatchString(v.(string)) }}
}

// OneOf wants one of the values.
func OneOf(values ...string) Rule {
	return Rule{"Member must satisfy enum value set: [" + strings.Join(values, ", ") + "]", false,
		func(v any) bool {
			for _, value := range values {
				if v == value {
					return true
				}
			}
			return false
		}}
}

func length(v any) int {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v)
	case []byte:
		return len(v)
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return 0
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
