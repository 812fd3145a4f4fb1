package opensearch

import (
	"fmt"
	"time"
)

func rotates(rotation string) bool {
	switch rotation {
	case "none", "hour", "day", "week", "month":
		return true
	}
	return false
}

// suffix is what rotation appends to an index's name for a record ("Index
// rotation for the OpenSearch Service destination", Firehose developer guide),
// in UTC. It goes by the arrival, so that a record comes to the same index in
// every attempt.
func suffix(rotation string, arrived time.Time) string {
	t := arrived.UTC()
	switch rotation {
	case "hour":
		return t.Format("-2006-01-02-15")
	case "day":
		return t.Format("-2006-01-02")
	case "month":
		return t.Format("-2006-01")
	case "week":
		// Weeks begin on Sunday, and that of 1 January is the first of its year.
		saturday := t.AddDate(0, 0, int(time.Saturday-t.Weekday()))
		return fmt.Sprintf("-%04d-w%02d", saturday.Year(), (saturday.YearDay()-1)/7+1)
	}
	return ""
}
