package thing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"headgate/firmware-sim/packet"
)

// execution is a job as start-next gives it.
type execution struct {
	JobID    string   `json:"jobId"`
	Status   string   `json:"status"`
	Version  int64    `json:"versionNumber"`
	Document document `json:"jobDocument"`
}

// document is the job document of new firmware: the file that a stream has.
type document struct {
	Version string `json:"version"` // of the firmware; default the stream's name
	Stream  string `json:"streamname"`
	Files   []struct {
		ID     int    `json:"fileid"`
		Size   int    `json:"filesize"`
		SHA256 string `json:"sha256"`
	} `json:"files"`
}

// update is firmware that is installed and waits for the restart.
type update struct {
	job     execution
	version string
}

// mostFirmware bounds a file, in bytes: it is held in memory.
const mostFirmware = 64 << 20

// errUnfit says that a job cannot be done; the rest of the text says why.
var errUnfit = errors.New("cannot be done")

// startNext asks for the next job.
func (t *Thing) startNext(ctx context.Context) error {
	return t.say(ctx, packet.Message{Topic: t.aws("jobs/start-next"), QoS: 1}, map[string]any{"statusDetails": map[string]string{"version": t.Version()}})
}

// start does a job as far as the restart: download, check, install. A job that
// cannot be done is reported FAILED.
func (t *Thing) start(ctx context.Context, payload []byte) error {
	var m struct {
		Execution execution `json:"execution"`
	}
	if err := json.Unmarshal(payload, &m); err != nil || m.Execution.JobID == "" {
		return nil // there is none
	}
	job := m.Execution
	t.tell("job", job.JobID)
	err := t.install(ctx, job)
	switch {
	case errors.Is(err, errUnfit):
		return t.close(ctx, job, "FAILED", err.Error())
	case err != nil:
		return err
	}
	if err := t.progress(ctx, job, "IN_PROGRESS", "restarting"); err != nil {
		return err
	}
	version := job.Document.Version
	if version == "" {
		version = job.Document.Stream
	}
	t.pending = &update{job, version}
	return errRestart
}

// install gets the file of a job and checks its hash.
func (t *Thing) install(ctx context.Context, job execution) error {
	d := job.Document
	if d.Stream == "" || len(d.Files) != 1 {
		return fmt.Errorf("%w: the document names no stream with one file", errUnfit)
	}
	f := d.Files[0]
	if f.Size <= 0 || f.Size > mostFirmware {
		return fmt.Errorf("%w: a file of %d bytes", errUnfit, f.Size)
	}
	image, err := t.download(ctx, d.Stream, f.ID, f.Size)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(image)
	if got := hex.EncodeToString(sum[:]); !strings.EqualFold(got, f.SHA256) {
		return fmt.Errorf("%w: the file's SHA-256 is %s", errUnfit, got)
	}
	return nil
}

// finish is called after a restart: the new firmware runs, or the old one again.
func (t *Thing) finish(ctx context.Context) error {
	u := t.pending
	if u == nil {
		return nil
	}
	if t.conf.Broken {
		if err := t.close(ctx, u.job, "FAILED", "firmware "+u.version+" did not start: back to "+t.Version()); err != nil {
			return err
		}
		t.pending = nil
		return nil
	}
	t.mu.Lock()
	t.version, t.reported["version"] = u.version, u.version
	t.mu.Unlock()
	if err := t.close(ctx, u.job, "SUCCEEDED", "runs "+u.version); err != nil {
		return err
	}
	t.pending = nil
	return nil
}

// close ends a job.
func (t *Thing) close(ctx context.Context, job execution, status, why string) error {
	if err := t.progress(ctx, job, status, why); err != nil {
		return err
	}
	t.tell("done", job.JobID+" "+status+": "+why)
	return nil
}

// progress reports the status of a job and waits until the gateway has said
// yes or no to it: a thing must not go on as if it had been heard.
func (t *Thing) progress(ctx context.Context, job execution, status, why string) error {
	topic := t.aws("jobs/" + job.JobID + "/update")
	for {
		if err := t.say(ctx, packet.Message{Topic: topic, QoS: 1}, map[string]any{"status": status, "statusDetails": map[string]string{"detail": why, "version": t.Version()}}); err != nil {
			return err
		}
		answered, err := t.await(ctx, t.conf.Answer, func(m packet.Message) bool {
			return m.Topic == topic+"/accepted" || m.Topic == topic+"/rejected"
		})
		if err != nil || answered {
			return err
		}
	}
}

// await takes messages until one is what is waited for. Others are done as they
// come, except for jobs: one at a time.
func (t *Thing) await(ctx context.Context, most time.Duration, is func(packet.Message) bool) (bool, error) {
	limited, stop := context.WithTimeout(ctx, most)
	defer stop()
	for {
		m, err := t.conn.Next(limited)
		switch {
		case err != nil && limited.Err() != nil && ctx.Err() == nil:
			return false, nil
		case err != nil:
			return false, err
		case is(m):
			return true, nil
		case strings.HasPrefix(m.Topic, t.aws("jobs/")), strings.HasPrefix(m.Topic, "cmd/"+t.conf.Name+"/reboot"):
			continue
		}
		if err := t.take(ctx, m); err != nil {
			return false, err
		}
	}
}
