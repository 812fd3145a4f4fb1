package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/deploy/bench/internal/child"
)

// trio is three gateways as real processes.
type trio struct {
	binary string
	nodes  []*node
}

// node is one of them; its process changes with every start.
type node struct {
	*child.Headgate
	config child.HeadgateConfig
	away   bool
}

const benchStream = "bench"

// openTrio starts a gateway, lets two others join it and waits until all vote.
func openTrio(ctx context.Context, dir, binary string) (*trio, error) {
	t := &trio{binary: binary}
	for i := range gateways {
		n := &node{config: child.HeadgateConfig{Binary: binary, Folder: filepath.Join(dir, fmt.Sprint("gateway", i+1)), Shards: 4}}
		flags := []string{"--open", "--log-level", "info"}
		for _, door := range []string{"--api", "--peer"} {
			address, err := child.FreeAddress()
			if err != nil {
				return t, err
			}
			flags = append(flags, door, address)
		}
		n.config.Extra = flags
		if i > 0 {
			code, err := exec.CommandContext(ctx, binary, "invite", "--data", t.nodes[0].data()).Output()
			if err != nil {
				return t, fmt.Errorf("invite: %w", err)
			}
			n.config.Extra = append(slices.Clone(flags), "--join", strings.TrimSpace(string(code)))
		}
		var err error
		if n.Headgate, err = child.StartHeadgate(n.config); err != nil {
			return t, err
		}
		n.config.Extra = flags
		t.nodes = append(t.nodes, n)
	}
	return t, t.settle(ctx)
}

func (n *node) data() string { return filepath.Join(n.config.Folder, "data") }

// heartbeat is what the gateway's log says about it.
func (n *node) heartbeat() time.Duration {
	for _, line := range n.Lines() {
		if _, after, ok := strings.Cut(line, " heartbeat="); ok {
			d, _ := time.ParseDuration(strings.Fields(after)[0])
			return d
		}
	}
	return 0
}

func (t *trio) stop() {
	for _, n := range t.nodes {
		if !n.away {
			n.Kill()
		}
	}
}

// leader waits for the gateway that leads.
func (t *trio) leader(ctx context.Context) (lead *node, err error) {
	err = until(ctx, "somebody leads", func() bool {
		i := slices.IndexFunc(t.nodes, func(n *node) bool {
			s, err := n.Status()
			return err == nil && s.Log.Leading
		})
		if i >= 0 {
			lead = t.nodes[i]
		}
		return i >= 0
	})
	return lead, err
}

// settle waits until all vote and have applied the same.
func (t *trio) settle(ctx context.Context) error {
	return until(ctx, "all vote and hold the same", func() bool {
		var applied []uint64
		for _, n := range t.nodes {
			s, err := n.Status()
			if err != nil || s.Site.Voters != gateways {
				return false
			}
			applied = append(applied, s.Log.Applied)
		}
		return slices.Min(applied) == slices.Max(applied)
	})
}

// kill ends a gateway without a word.
func (n *node) kill() {
	n.away = true
	n.Kill()
}

// back starts it again.
func (n *node) back() (err error) {
	if n.Headgate, err = child.StartHeadgate(n.config); err == nil {
		n.away = false
	}
	return err
}

// reader asks again when it must.
func (n *node) reader() *kinesis.Client {
	return kinesis.New(kinesis.Options{BaseEndpoint: aws.String("http://" + n.API), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("any", "thing", "")})
}

// writer hands everything in once.
func (n *node) writer() *kinesis.Client {
	return kinesis.New(n.reader().Options(), func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
}

func until(ctx context.Context, what string, so func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if so() {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		}
	}
}
