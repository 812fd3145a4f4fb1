package jobs

import (
	"encoding/json"
	"strings"

	"headgate/shardlog"
)

// The spaces of the state; FORMAT.md has their rows.
const (
	Jobs       shardlog.Space = "iot.job"
	Documents  shardlog.Space = "iot.job.document"
	Targets    shardlog.Space = "iot.job.target"
	Executions shardlog.Space = "iot.execution"
	Files      shardlog.Space = "iot.file"
)

// thingRow is a thing's own row: it is there while the thing has executions.
type thingRow struct {
	Executions int `json:"executions"`
}

func executionKey(thing, job string) string { return thing + "/" + job }

func parseExecution(key string, value []byte) (Execution, error) {
	var e Execution
	if err := json.Unmarshal(value, &e); err != nil || executionKey(e.Thing, e.Job) != key {
		return e, shardlog.Errorf(shardlog.Corrupt, "read execution", "%q: %v", key, err)
	}
	return e, nil
}

func parseJob(key string, value []byte) (Job, error) {
	var j Job
	if err := json.Unmarshal(value, &j); err != nil || j.Name != key {
		return j, shardlog.Errorf(shardlog.Corrupt, "read job", "%q: %v", key, err)
	}
	return j, nil
}

// jobOf is the job in an execution's key; false for a thing's own row.
func jobOf(key string) (string, bool) {
	_, job, ok := strings.Cut(key, "/")
	return job, ok
}
