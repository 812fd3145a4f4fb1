package jobs

import (
	"encoding/json"
	"time"
)

// answer is the payload of accepted and rejected, all operations together.
type answer struct {
	Execution      *executionData  `json:"execution,omitempty"`
	ExecutionState *executionState `json:"executionState,omitempty"`
	JobDocument    json.RawMessage `json:"jobDocument,omitempty"`
	Code           Code            `json:"code,omitempty"`
	Message        string          `json:"message,omitempty"`
	Timestamp      int64           `json:"timestamp"` // Unix seconds
	ClientToken    string          `json:"clientToken,omitempty"`
}

func (a answer) text() []byte { return text(a) }

// text writes what cannot be refused: structs of our own and documents that
// were checked.
func text(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// executionData is AWS IoT's JobExecution. Times are Unix seconds.
type executionData struct {
	JobID           string            `json:"jobId"`
	ThingName       string            `json:"thingName"`
	JobDocument     json.RawMessage   `json:"jobDocument,omitempty"`
	Status          Status            `json:"status"`
	StatusDetails   map[string]string `json:"statusDetails,omitempty"`
	QueuedAt        int64             `json:"queuedAt"`
	StartedAt       int64             `json:"startedAt,omitempty"`
	LastUpdatedAt   int64             `json:"lastUpdatedAt"`
	VersionNumber   uint64            `json:"versionNumber"`
	ExecutionNumber int64             `json:"executionNumber"`
}

func dataOf(e Execution, document json.RawMessage) *executionData {
	return &executionData{JobID: e.Job, ThingName: e.Thing, JobDocument: document, Status: e.Status, StatusDetails: e.Details,
		QueuedAt: e.Queued.Unix(), StartedAt: seconds(e.Started), LastUpdatedAt: e.Updated.Unix(), VersionNumber: e.Version, ExecutionNumber: executionNumber}
}

// executionState is AWS IoT's JobExecutionState.
type executionState struct {
	Status        Status            `json:"status"`
	StatusDetails map[string]string `json:"statusDetails,omitempty"`
	VersionNumber uint64            `json:"versionNumber"`
}

func stateOf(e Execution) *executionState { return &executionState{e.Status, e.Details, e.Version} }

// executionSummary is AWS IoT's JobExecutionSummary.
type executionSummary struct {
	JobID           string `json:"jobId"`
	QueuedAt        int64  `json:"queuedAt"`
	StartedAt       int64  `json:"startedAt,omitempty"`
	LastUpdatedAt   int64  `json:"lastUpdatedAt"`
	VersionNumber   uint64 `json:"versionNumber"`
	ExecutionNumber int64  `json:"executionNumber"`
}

func summaryOf(e Execution) executionSummary {
	return executionSummary{e.Job, e.Queued.Unix(), seconds(e.Started), e.Updated.Unix(), e.Version, executionNumber}
}

// seconds are Unix seconds, zero for no time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
