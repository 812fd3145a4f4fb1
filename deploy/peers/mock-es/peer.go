// Package peer pins the version of a test peer: mock-es.
package peer

import _ "github.com/elastic/mock-es/cmd/mock-es"
