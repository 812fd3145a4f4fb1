package gateway

import (
	"context"
	"strings"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"

	"headgate/gateway/kinesisapi"
)

// kinesis sends CloudWatch's metrics of streams, named as Prometheus's
// cloudwatch_exporter names them: aws_kinesis_put_records_latency_sum{stream_name="…"}
// is the statistic Sum, _count is SampleCount. Both count from the start.
func (c collector) kinesis(m sample) {
	c.g.kinesis.Samples(context.Background(), func(s kinesisapi.Sample) {
		names, values := []string{"stream_name"}, []string{string(s.Stream)}
		if s.Shard != "" {
			names, values = append(names, "shard_id"), append(values, s.Shard)
		}
		if s.Consumer != "" {
			names, values = append(names, "consumer_name"), append(values, s.Consumer)
		}
		desc := prometheus.NewDesc("aws_kinesis_"+snake(s.Metric), "CloudWatch metric AWS/Kinesis "+s.Metric, names, nil)
		m.out <- prometheus.MustNewConstSummary(desc, s.Count, s.Sum, nil, values...)
	})
}

// snake writes PutRecords.TotalRecords as put_records_total_records.
func snake(name string) string {
	var b strings.Builder
	small := false // the letter before was
	for _, r := range name {
		if r == '.' {
			b.WriteByte('_')
			small = false
			continue
		}
		if unicode.IsUpper(r) && small {
			b.WriteByte('_')
		}
		small = unicode.IsLower(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
