package ingest

import "strings"

// basicPrefix begins the topics of Basic Ingest (AWS IoT Core).
const basicPrefix = "$aws/rules/"

// BasicIngest takes a topic of Basic Ingest apart, $aws/rules/RULE/REST: the
// message is for that rule alone and for no subscriber, and REST is its topic
// for routes, for what a device may publish, and for the rule. False: the topic
// is none of Basic Ingest.
func BasicIngest(topic string) (rule, rest string, ok bool) {
	left, basic := strings.CutPrefix(topic, basicPrefix)
	if !basic {
		return "", "", false
	}
	rule, rest, _ = strings.Cut(left, "/")
	return rule, rest, rule != "" && rest != ""
}
