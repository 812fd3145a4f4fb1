package kinesisapi

import (
	"context"
	"encoding/json"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// What an account may have said about its commitment to a minimum throughput.
const (
	enabled  = "ENABLED"
	disabled = "DISABLED"
	ending   = "ENABLED_UNTIL_EARLIEST_ALLOWED_END"
)

// leastCommitment is how long a commitment lasts.
const leastCommitment = 24 * time.Hour

// commitment is the account's, a row of small state. Nobody bills here: it
// opens what Kinesis opens with it, which is warm throughput.
type commitment struct {
	Status  string `json:"status"`
	Started int64  `json:"started,omitempty"` // Unix seconds
	Ended   int64  `json:"ended,omitempty"`
}

const accountKey = "account"

// account is the account's commitment as of now.
func (a *API) account(ctx context.Context) (c commitment, v shardlog.Version, err error) {
	c.Status = disabled
	value, v, err := a.tokens.states.Get(ctx, space, accountKey)
	if shardlog.KindOf(err) == shardlog.NotFound {
		return c, 0, nil
	}
	if err != nil {
		return c, v, err
	}
	if err := json.Unmarshal(value, &c); err != nil {
		return c, v, shardlog.Errorf(shardlog.Corrupt, "read account", "%w", err)
	}
	if end := c.earliestEnd(); c.Status == ending && !a.now().Before(end) {
		c.Status, c.Ended = disabled, end.Unix()
	}
	return c, v, nil
}

func (c commitment) earliestEnd() time.Time { return time.Unix(c.Started, 0).Add(leastCommitment) }

func putCommitment(out *awsapi.Reply, c commitment) {
	out.Open("")
	out.Open("MinimumThroughputBillingCommitment")
	out.Text("Status", c.Status)
	if c.Started != 0 {
		out.Time("StartedAt", time.Unix(c.Started, 0))
	}
	if c.Status != disabled {
		out.Time("EarliestAllowedEndAt", c.earliestEnd())
	}
	if c.Ended != 0 {
		out.Time("EndedAt", time.Unix(c.Ended, 0))
	}
	out.Close()
	out.Close()
}
