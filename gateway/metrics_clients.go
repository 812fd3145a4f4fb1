package gateway

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"headgate/gateway/cloudwatchapi"
)

// clients sends what clients measured of themselves and told by PutMetricData:
// CloudWatch's statistics Sum and SampleCount, and as quantiles 0 and 1 its
// Minimum and Maximum.
func (c collector) clients(m sample) {
	desc := prometheus.NewDesc("headgate_client_metric", "what clients told by PutMetricData, since the start", []string{"namespace", "name", "unit", "dimensions"}, nil)
	c.g.watch.Samples(func(n cloudwatchapi.Name, s cloudwatchapi.Sums) {
		m.out <- prometheus.MustNewConstSummary(desc, uint64(min(s.Count, math.MaxInt64)), s.Sum, map[float64]float64{0: s.Least, 1: s.Most},
			n.Namespace, n.Metric, n.Unit, n.Dimensions)
	})
	m.counter("headgate_client_metrics_lost_total", "data that clients told and there was no room for", float64(c.g.watch.Lost()))
}
