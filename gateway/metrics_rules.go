package gateway

// rules sends the figures of rules, of each action apart. A rule that runs on
// another gateway has figures there.
func (c collector) rules(m sample, s Status) {
	for _, r := range s.Rules {
		m.gauge("headgate_rule_running", "1 while a rule works here", flag(r.State == ruleRunning), "rule", r.Name)
		m.gauge("headgate_rule_held", "1 while a rule must be corrected", flag(r.State == ruleHeld), "rule", r.Name)
		for _, a := range r.Actions {
			labels := []string{"rule", r.Name, "action", a.Action}
			m.counter("headgate_rule_matched_total", "messages that a rule saw", float64(a.Matched), labels...)
			m.counter("headgate_rule_passed_total", "messages of which its action stored a record", float64(a.Passed), labels...)
			m.counter("headgate_rule_failed_total", "messages that it could not be applied to", float64(a.Failed), labels...)
			m.counter("headgate_rule_missed_records_total", "records that were given up before it read them", float64(a.Missed), labels...)
			m.counter("headgate_rule_retries_total", "attempts to store that did not succeed", float64(a.Retries), labels...)
			m.gauge("headgate_rule_lag_records", "records not yet looked at", float64(a.LagRecords), labels...)
			m.gauge("headgate_rule_lag_seconds", "since the one it is at arrived", a.LagAge.Seconds(), labels...)
		}
	}
}
