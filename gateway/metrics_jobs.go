package gateway

import "headgate/ingest/jobs"

func (c collector) jobs(m sample, s jobs.Stats) {
	m.counter("headgate_jobs_requests_total", "requests of devices about jobs and their files", float64(s.Requests))
	for code, n := range s.Refused {
		m.counter("headgate_jobs_refused_total", "of those, refused", float64(n), "code", code)
	}
	m.counter("headgate_jobs_conflicts_total", "changes of jobs begun again because another came first", float64(s.Conflicts))
	m.counter("headgate_jobs_timeouts_total", "executions that timed out while this gateway led", float64(s.Timeouts))
	m.counter("headgate_job_file_blocks_total", "blocks of files sent to devices", float64(s.Blocks))
	m.counter("headgate_job_file_bytes_total", "bytes in them", float64(s.Bytes))
	m.counter("headgate_job_file_reads_total", "chunks of files read from the log for them", float64(s.Reads))
	m.counter("headgate_jobs_unsent_total", "answers for clients that had gone or did not keep up", float64(s.Unsent))
}
