package gateway

import "headgate/firehose/delivery"

// deliveries sends the figures of deliveries: ours, and those that CloudWatch
// has under its names. A delivery that runs on another gateway has figures
// there.
func (c collector) deliveries(m sample, s Status) {
	for _, d := range s.Deliveries {
		m.gauge("headgate_delivery_running", "1 while a delivery works", flag(d.State == string(delivery.Running)), "delivery", d.Name)
		m.gauge("headgate_delivery_held", "1 while somebody must correct something", flag(d.State == string(delivery.Held)), "delivery", d.Name)
		m.gauge("headgate_delivery_lag_records", "records not yet delivered", float64(d.LagRecords), "delivery", d.Name)
		m.gauge("headgate_delivery_lag_seconds", "age of the oldest of them", d.LagAge.Seconds(), "delivery", d.Name)
		m.gauge("headgate_delivery_sealed_batches", "batches on their way", float64(d.Sealed), "delivery", d.Name)
		m.counter("headgate_delivery_objects_total", "objects delivered", float64(d.Objects), "delivery", d.Name)
		m.counter("headgate_delivery_records_total", "records delivered", float64(d.Records), "delivery", d.Name)
		m.counter("headgate_delivery_bytes_total", "bytes delivered, uncompressed", float64(d.Bytes), "delivery", d.Name)
		m.counter("headgate_delivery_refused_records_total", "records that went to the error output", float64(d.Refused), "delivery", d.Name)
		m.counter("headgate_delivery_filtered_records_total", "records of which the transform made nothing", float64(d.Filtered), "delivery", d.Name)
		m.counter("headgate_delivery_dropped_records_total", "records that waited too long and went nowhere, as the delivery says", float64(d.Dropped), "delivery", d.Name)
		m.gauge("headgate_delivery_lag_bytes", "about what they come to, uncompressed", float64(d.LagBytes), "delivery", d.Name)
		m.gauge("headgate_delivery_eta_seconds", "until they are delivered, at the pace of the last minute", d.ETA.Seconds(), "delivery", d.Name)
		m.counter("headgate_delivery_already_total", "objects that were there before the attempt", float64(d.Attempts.Already), "delivery", d.Name)
		m.counter("headgate_delivery_bisects_total", "batches that were halved", float64(d.Attempts.Bisects), "delivery", d.Name)
		for class, n := range d.Attempts.Retries {
			m.counter("headgate_delivery_retries_total", "attempts that did not deliver", float64(n), "delivery", d.Name, "class", class)
		}
		m.counter("headgate_delivery_missing_records_total", "records that were gone before they could be delivered", float64(d.Missing), "delivery", d.Name)
		c.cloudWatch(m, d)
	}
	if len(s.Deliveries) == 0 {
		return
	}
	m.gauge("headgate_uplink_down", "1 while no destination can be reached", flag(s.Uplink.Down))
	m.gauge("headgate_uplink_day_bytes", "of the day's budget used", float64(s.Uplink.DayUsed))
	m.gauge("headgate_uplink_month_bytes", "of the month's budget used", float64(s.Uplink.MonthUsed))
	for _, l := range s.Uplink.Lanes {
		m.counter("headgate_uplink_sent_bytes_total", "bytes on the wire", float64(l.Sent), "delivery", l.Name)
		m.counter("headgate_uplink_received_bytes_total", "bytes on the wire", float64(l.Received), "delivery", l.Name)
		m.gauge("headgate_uplink_waiting", "1 while a delivery waits for window, budget or link", flag(l.Held != ""), "delivery", l.Name)
	}
}

// cloudWatch sends what CloudWatch would say of a Firehose: DeliveryToX.Records,
// .Bytes, .Success and .DataFreshness. Of a sink that Firehose does not have it
// says nothing.
func (c collector) cloudWatch(m sample, d DeliveryStatus) {
	kind := cloudWatchName(d.Kind)
	if kind == "" {
		return
	}
	to := "DeliveryTo" + kind
	working := d.State == string(delivery.Running)
	for name, v := range map[string]float64{".Records": float64(d.Records), ".Bytes": float64(d.Bytes)} {
		m.counter("headgate_firehose_delivery_total", "what a delivery brought, under CloudWatch's names", v, "delivery", d.Name, "metric", to+name)
	}
	for name, v := range map[string]float64{".DataFreshness": d.LagAge.Seconds(), ".Success": flag(working)} {
		m.gauge("headgate_firehose_delivery", "how a delivery is doing, under CloudWatch's names", v, "delivery", d.Name, "metric", to+name)
	}
}

// cloudWatchName is the name of a kind of sink in CloudWatch's metrics, "" when
// it has none.
func cloudWatchName(kind string) string {
	switch kind {
	case "s3":
		return "S3"
	case "http":
		return "HttpEndpoint"
	case "splunk":
		return "Splunk"
	case "opensearch":
		return "AmazonOpenSearchService"
	case "redshift":
		return "Redshift"
	}
	return ""
}
