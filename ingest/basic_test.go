package ingest_test

import (
	"testing"

	"headgate/ingest"
)

func TestBasicIngest(t *testing.T) {
	for _, c := range []struct {
		topic, rule, rest string
		ok                bool
	}{
		{"$aws/rules/BuildingManager/Buildings/Building5", "BuildingManager", "Buildings/Building5", true},
		{"$aws/rules/r/a", "r", "a", true},
		{"$aws/rules/r//", "r", "/", true},
		{"$aws/rules/r/", "r", "", false},
		{"$aws/rules/r", "r", "", false},
		{"$aws/rules//a", "", "a", false},
		{"$aws/things/r/a", "", "", false},
		{"aws/rules/r/a", "", "", false},
	} {
		if rule, rest, ok := ingest.BasicIngest(c.topic); rule != c.rule || rest != c.rest || ok != c.ok {
			t.Errorf("%s: %q %q %v", c.topic, rule, rest, ok)
		}
	}
}
