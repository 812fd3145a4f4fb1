// Package peer pins the version of a test peer: VictoriaLogs.
package peer

import _ "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"
