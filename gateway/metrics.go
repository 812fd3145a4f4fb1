package gateway

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics answers in Prometheus's form. The figures are read when somebody
// asks; nothing is kept for them.
func (g *Gateway) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{g})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

type collector struct{ g *Gateway }

// Describe sends nothing: what there is depends on the streams.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the figures of now.
func (c collector) Collect(out chan<- prometheus.Metric) {
	m := sample{out}
	s := c.g.Status()
	m.gauge("headgate_ready", "1 while records are taken", flag(s.Health.Ready))
	m.gauge("headgate_clock_synced", "1 while the clock is trusted", flag(s.Clock.Mark == "synced"))
	m.gauge("headgate_oldest_waiting_seconds", "age of the oldest record that waits for the disk", s.Log.OldestWaiting.Seconds())
	m.counter("headgate_records_total", "records stored since the start", float64(s.Log.Records))
	m.counter("headgate_record_bytes_total", "bytes of those records: data, keys and metadata", float64(s.Log.Bytes))
	m.counter("headgate_throttled_records_total", "records refused for a shard's rate", float64(s.Log.Throttled))
	m.counter("headgate_refused_puts_total", "Puts refused for want of disk", float64(s.Log.Refused))
	m.counter("headgate_commits_total", "commands that were agreed on and synced", float64(s.Log.Commits))
	m.counter("headgate_commit_seconds_total", "time they took", c.g.streams.Stats().CommitTime.Seconds())
	m.gauge("headgate_gaps", "times that records were given up", float64(s.Log.Gaps))
	m.gauge("headgate_blocks_set_aside", "blocks that cannot be read", float64(s.Log.SetAside))
	m.counter("headgate_disk_written_bytes_total", "bytes passed to write since the start", float64(s.Disk.Written))
	m.counter("headgate_disk_syncs_total", "syncs since the start", float64(s.Disk.Syncs))
	m.gauge("headgate_disk_stored_bytes", "bytes of the data folder", float64(s.Disk.Stored))
	m.gauge("headgate_disk_budget_bytes", "bytes it may take", float64(s.Disk.Budget))
	m.gauge("headgate_disk_free_bytes", "bytes free on its volume", float64(s.Disk.Free))
	m.gauge("headgate_offline_seconds", "how long the log lasts at today's rate", s.Disk.Offline.Seconds())
	for _, one := range s.Streams {
		m.gauge("headgate_stream_records", "records that can be read", float64(one.Records), "stream", one.Name)
		m.gauge("headgate_stream_stored_bytes", "bytes of a stream on disk", float64(one.Stored), "stream", one.Name)
		m.gauge("headgate_stream_shards", "open shards", float64(one.Shards), "stream", one.Name)
	}
	c.doors(m, s)
	c.cameras(m, s)
	c.deliveries(m, s)
	c.rules(m, s)
	if s.Site != nil {
		c.site(m, *s.Site)
	}
}

func (c collector) site(m sample, s SiteStatus) {
	m.gauge("headgate_site_leader", "1 while a leader is known", flag(s.Leader != ""))
	m.gauge("headgate_site_voters", "gateways that vote", float64(s.Voters))
	m.gauge("headgate_site_copies", "gateways that hold everything", float64(s.Copies))
	m.counter("headgate_site_term", "elections so far", float64(s.Term))
	m.gauge("headgate_isolated", "1 while no majority of the site can be reached", flag(s.Spool.Isolated))
	m.gauge("headgate_spool_rows", "rows in the spool", float64(s.Spool.Rows))
	m.gauge("headgate_spool_bytes", "bytes in the spool", float64(s.Spool.Bytes))
	m.counter("headgate_spool_kept_records_total", "records acknowledged from the spool", float64(s.Spool.Kept))
	m.counter("headgate_spool_drained_records_total", "records stored out of the spool", float64(s.Spool.Drained))
	m.counter("headgate_spool_refused_records_total", "records refused because the spool was full", float64(s.Spool.Refused))
	m.counter("headgate_spool_dropped_records_total", "records given up because the spool was full", float64(s.Spool.Dropped))
	for _, p := range s.Members {
		if p.Self {
			continue
		}
		m.gauge("headgate_peer_reachable", "1 while a gateway can be reached", flag(p.Reachable), "gateway", p.ID)
		m.gauge("headgate_peer_lag_entries", "entries that a gateway lags behind", float64(p.Lag), "gateway", p.ID)
		m.gauge("headgate_peer_round_trip_seconds", "of the last hello", p.RoundTrip.Seconds(), "gateway", p.ID)
		m.gauge("headgate_peer_clock_offset_seconds", "a gateway's clock less ours", p.Offset.Seconds(), "gateway", p.ID)
		m.gauge("headgate_peer_incomplete", "1 while a gateway lacks blocks", flag(p.Holes), "gateway", p.ID)
	}
}

func (c collector) doors(m sample, s Status) {
	for op, o := range s.API.Door.Ops {
		target, name, _ := strings.Cut(op, ".")
		service, _, _ := strings.Cut(strings.ToLower(target), "_")
		m.counter("headgate_api_calls_total", "calls of the AWS APIs", float64(o.Calls), "service", service, "operation", name)
		m.counter("headgate_api_errors_total", "calls that failed by the client's fault", float64(o.Errors), "service", service, "operation", name)
		m.counter("headgate_api_faults_total", "calls that failed by ours", float64(o.Faults), "service", service, "operation", name)
		m.counter("headgate_api_throttled_total", "calls over a rate", float64(o.Throttled), "service", service, "operation", name)
	}
	for service, n := range s.API.Denied {
		m.counter("headgate_api_denied_total", "calls that were denied for want of permission", float64(n), "service", service)
	}
	m.counter("headgate_api_refused_total", "requests refused before any operation", float64(s.API.Door.Refused))
	k := s.API.Kinesis
	c.kinesis(m)
	c.clients(m)
	c.collected(m, s.Collect)
	c.shadows(m, s.Shadows)
	c.jobs(m, s.Jobs)
	c.routed(m, s.Routes)
	m.counter("headgate_device_certificates_total", "certificates signed for devices", float64(s.Devices.Issued))
	m.counter("headgate_device_passwords_hashed_total", "passwords of devices that were hashed", float64(s.Devices.Hashed))
	m.gauge("headgate_kinesis_subscriptions", "subscriptions of consumers under way", float64(k.Subscriptions))
	f := s.API.Firehose
	for name, v := range map[string]int64{"IncomingRecords": f.Records, "IncomingBytes": f.Bytes, "ThrottledRecords": f.Throttled} {
		m.counter("headgate_firehose_total", "what the Firehose API took, under CloudWatch's names", float64(v), "metric", name)
	}
	if q := s.MQTT; q != nil {
		m.gauge("headgate_mqtt_connections", "connected devices", float64(q.Connections))
		m.counter("headgate_mqtt_accepted_total", "connections accepted", float64(q.Accepted))
		m.counter("headgate_mqtt_malformed_total", "connections ended for a malformed packet", float64(q.Malformed))
		m.counter("headgate_mqtt_received_total", "PUBLISHes received", float64(q.Received))
		m.counter("headgate_mqtt_sent_total", "messages sent to subscribers", float64(q.Sent))
		m.counter("headgate_mqtt_dropped_total", "messages of QoS 0 to subscribers that did not keep up", float64(q.Dropped))
		m.gauge("headgate_mqtt_subscriptions", "subscriptions of connected devices", float64(q.Subscriptions))
		m.gauge("headgate_mqtt_sessions", "sessions kept beyond their connections, about", float64(q.Sessions))
		m.gauge("headgate_mqtt_leases", "shards that this gateway reads for shared subscriptions", float64(q.Leases))
		m.gauge("headgate_mqtt_lease_lag_records", "records of those shards that no member has answered", float64(q.Lag))
		m.gauge("headgate_mqtt_retained", "topics with a retained message, as far as they are known here", float64(q.Retained))
		m.counter("headgate_mqtt_acked_total", "QoS 1 and 2 messages acknowledged after they were durable", float64(q.Acked))
		m.gauge("headgate_mqtt_pending", "messages not yet answered", float64(q.Pending))
		m.gauge("headgate_mqtt_oldest_unanswered_seconds", "age of the oldest of them", q.OldestUnanswered.Seconds())
		m.gauge("headgate_mqtt_waiting", "connections before their CONNACK", float64(q.Waiting))
		m.counter("headgate_mqtt_turned_away_total", "connections over a limit, or not let in", float64(q.TurnedAway))
		m.counter("headgate_mqtt_window_waits_total", "times a socket was not read because its window was full", float64(q.WindowWaits))
		m.counter("headgate_mqtt_rate_waits_total", "times a socket was not read because its device had published its share", float64(q.RateWaits))
		m.counter("headgate_mqtt_takeover_pauses_total", "times a device waited because its client id is taken over again and again", float64(q.TakeoverPauses))
		for why, n := range q.Refused {
			m.counter("headgate_mqtt_refused_total", "messages refused", float64(n), "reason", why)
		}
	}
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// sample sends metrics; labels are names and values in turn.
type sample struct{ out chan<- prometheus.Metric }

func (s sample) gauge(name, help string, v float64, labels ...string) {
	s.send(prometheus.GaugeValue, name, help, v, labels)
}

func (s sample) counter(name, help string, v float64, labels ...string) {
	s.send(prometheus.CounterValue, name, help, v, labels)
}

func (s sample) send(kind prometheus.ValueType, name, help string, v float64, labels []string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	s.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, v, values...)
}
