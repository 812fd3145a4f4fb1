// Package cloudwatchapi takes what clients measure of themselves, such as the
// KCL and the KPL, by PutMetricData of Amazon CloudWatch, and keeps the sums
// for whoever asks the gateway for its metrics. It keeps no history and asks no
// questions of it. It does not know how requests travel (package awsapi).
package cloudwatchapi

import (
	"time"

	"headgate/gateway/awsapi"
)

// API is that one operation of CloudWatch. It is safe for concurrent use.
type API struct {
	now    func() time.Time
	series series
}

// New makes an API; now tells the time.
func New(now func() time.Time) *API { return &API{now: now} }

// Service is the API as a door serves it: in CBOR of Smithy's RPC v2, in JSON,
// and by the query protocol, as clients of all years ask.
func (a *API) Service() awsapi.Service {
	return awsapi.Service{
		Target:  "GraniteServiceVersion20100801",
		Query:   "http://monitoring.amazonaws.com/doc/2010-08-01/",
		Signing: "monitoring",
		Actions: "cloudwatch",
		Invalid: invalidValue,
		Explain: func(error) *awsapi.Error { return awsapi.Failure() },
		Ops: map[string]awsapi.Operation{
			"PutMetricData": {Input: putMetricDataInput(), Do: a.putMetricData, Data: true},
		},
	}
}
