package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"headgate/gateway/devices"
	"headgate/ingest/jobs"
	"headgate/shardlog"
)

// Job is something that many things are to do.
type Job = jobs.Job

// JobDetail is a job with its document and how far each thing is.
type JobDetail = jobs.Description

// JobStatuses are the states of an execution, in the order of a life.
func JobStatuses() []jobs.Status { return jobs.Statuses }

// JobOrder is a job to be made. Groups are those of devices: who is in one of
// them now gets the job.
type JobOrder struct {
	jobs.Order
	Groups []string `json:"groups,omitempty"`
}

// JobFile is a file that jobs may use.
type JobFile = jobs.File

func (a *admin) jobRoutes(mux *http.ServeMux, handle func(string, func(http.ResponseWriter, *http.Request) (any, error))) {
	handle("GET /jobs", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return append([]Job{}, a.jobs.Jobs(r.Context())...), nil
	})
	handle("POST /jobs", a.createJob)
	handle("GET /jobs/{job}", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return a.jobs.Describe(r.Context(), r.PathValue("job"))
	})
	handle("POST /jobs/{job}/cancel", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		j, err := a.jobs.Cancel(r.Context(), r.PathValue("job"), r.URL.Query().Get("reason"), r.URL.Query().Has("force"))
		a.tellJob(r, "cancel", err)
		return j, err
	})
	handle("DELETE /jobs/{job}", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		err := a.jobs.Delete(r.Context(), r.PathValue("job"), r.URL.Query().Has("force"))
		a.tellJob(r, "delete", err)
		return struct{}{}, err
	})
	mux.HandleFunc("PUT /job-files/{hash}", func(w http.ResponseWriter, r *http.Request) { // longer than other calls may be
		f, err := a.jobs.PutFile(r.Context(), r.PathValue("hash"), http.MaxBytesReader(w, r.Body, jobs.MaxFile+1))
		if err != nil {
			refuse(w, err)
			return
		}
		reply(w, http.StatusOK, f)
	})
}

// tellJob has the audit tell of a change.
func (a *admin) tellJob(r *http.Request, do string, err error) {
	line := AuditLine{At: a.now().UTC(), Action: "headgate:jobs:" + do, Resource: clipped(r.PathValue("job")), Outcome: "ok", Source: "admin socket"}
	if err != nil {
		line.Outcome = shardlog.KindOf(err).String()
	}
	a.audit.add(line, true)
}

func (a *admin) createJob(_ http.ResponseWriter, r *http.Request) (any, error) {
	var o JobOrder
	if err := receive(r, &o); err != nil {
		return nil, err
	}
	r.SetPathValue("job", o.Name)
	members := a.members(r.Context(), o.Groups)
	if len(o.Groups) > 0 && len(members) == 0 {
		return nil, shardlog.Errorf(shardlog.Invalid, "create job", "no device is in %q", o.Groups)
	}
	o.Things = append(o.Things, members...)
	j, err := a.jobs.Create(r.Context(), o.Order)
	a.tellJob(r, "create", err)
	return j, err
}

// members are the devices that are in one of the groups, revoked ones left out.
func (a *admin) members(ctx context.Context, groups []string) (all []string) {
	if len(groups) == 0 {
		return nil
	}
	for _, d := range a.devices.List(ctx, "") {
		if d.State != devices.Revoked && slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(d.Groups, g) }) {
			all = append(all, d.ID)
		}
	}
	return all
}

// Jobs are all jobs, by name.
func (c *Client) Jobs(ctx context.Context) (all []Job, err error) {
	return all, c.call(ctx, http.MethodGet, "/jobs", nil, &all)
}

// Job tells of one.
func (c *Client) Job(ctx context.Context, name string) (d JobDetail, err error) {
	return d, c.call(ctx, http.MethodGet, "/jobs/"+url.PathEscape(name), nil, &d)
}

// CreateJob makes one.
func (c *Client) CreateJob(ctx context.Context, o JobOrder) (j Job, err error) {
	return j, c.call(ctx, http.MethodPost, "/jobs", o, &j)
}

// CancelJob ends one; with force, what is in progress, too.
func (c *Client) CancelJob(ctx context.Context, name, reason string, force bool) (j Job, err error) {
	return j, c.call(ctx, http.MethodPost, "/jobs/"+url.PathEscape(name)+"/cancel?"+forced(force, url.Values{"reason": {reason}}), struct{}{}, &j)
}

// DeleteJob forgets one; with force, one with something pending.
func (c *Client) DeleteJob(ctx context.Context, name string, force bool) error {
	return c.call(ctx, http.MethodDelete, "/jobs/"+url.PathEscape(name)+"?"+forced(force, url.Values{}), nil, nil)
}

func forced(force bool, query url.Values) string {
	if force {
		query.Set("force", "")
	}
	return query.Encode()
}

// PutJobFile has the log keep a file, which is read twice.
func (c *Client) PutJobFile(ctx context.Context, file io.ReadSeeker) (f JobFile, err error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return f, fmt.Errorf("read file: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return f, fmt.Errorf("read file: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://gateway/job-files/"+hex.EncodeToString(sum.Sum(nil)), io.NopCloser(file))
	if err != nil {
		return f, fmt.Errorf("write request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return f, c.explain(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return f, refused(resp.Body, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&f); err != nil {
		return f, fmt.Errorf("read answer: %w", err)
	}
	return f, nil
}
