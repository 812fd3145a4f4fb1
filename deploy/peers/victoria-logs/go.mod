module headgate/deploy/peers/victoria-logs

go 1.26.0

require (
	github.com/VictoriaMetrics/VictoriaLogs v0.0.0-20260218111324-95b48d57d032
	github.com/VictoriaMetrics/metricsql v0.84.10
)
