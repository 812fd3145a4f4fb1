package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/deploy/prove/internal/account"
)

// gateway is the gateway as a child process on loopback.
type gateway struct {
	headgate, data, api, console string
	cmd                          *exec.Cmd
}

func newGateway(headgate, dir string) (*gateway, error) {
	g := &gateway{headgate: headgate, data: filepath.Join(dir, "data")}
	for _, at := range []*string{&g.api, &g.console} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*at = l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// patience is how long anything may take that must come to be.
const patience = 60 * time.Second

// start starts the process and waits until it is ready.
func (g *gateway) start(ctx context.Context) error {
	g.cmd = exec.Command(g.headgate, "serve", "--open", "--data", g.data, "--api", g.api, "--console", g.console, "--mqtt", "off", "--log-level", "error")
	g.cmd.Stderr = os.Stderr
	if err := g.cmd.Start(); err != nil {
		return fmt.Errorf("start headgate: %w", err)
	}
	late, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(late, http.MethodGet, "http://"+g.console+"/readyz", nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(r); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := wait(late, 50*time.Millisecond); err != nil {
			return errors.New("the gateway did not become ready")
		}
	}
}

// kill ends the gateway as a power cut ends a process: without a word.
func (g *gateway) kill() {
	if g.cmd != nil {
		_ = g.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
		_ = g.cmd.Wait()                          // it was killed: that is its error
	}
}

// killAgain kills and starts the gateway so many times while there is writing.
func (g *gateway) killAgain(ctx context.Context, o options, kills *atomic.Int64) error {
	for range o.kills {
		if wait(ctx, o.writing/time.Duration(o.kills+1)) != nil {
			return nil
		}
		g.kill()
		kills.Add(1)
		if err := g.start(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// client is the AWS SDK's. It tries again while the gateway is away.
func (g *gateway) client() *kinesis.Client { return account.Client(g.api) }

// once is the AWS SDK's client that shows each answer.
func (g *gateway) once() *kinesis.Client {
	return kinesis.New(g.client().Options(), func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} })
}

func create(ctx context.Context, k *kinesis.Client, name string, shards int32) error {
	_, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards})
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
