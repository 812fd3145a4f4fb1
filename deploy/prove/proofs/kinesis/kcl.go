package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// crew is a KCL application: workers in processes of their own, which share
// the shards of a stream by leases in the gateway's tables.
type crew struct {
	name   string
	args   []string
	read   *reading
	deaths atomic.Int64
}

// crewSize is how many workers an application has.
const crewSize = 2

// worker is the KCL's program, "" when it has not been built.
func worker() (string, error) {
	dir := os.Getenv("HEADGATE_PEERS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(cache, "headgate", "peers")
	}
	path := filepath.Join(dir, "kcl")
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if os.Getenv("CI") != "" {
			return "", errors.New("the KCL's worker is not there; .ci/run builds it")
		}
		return "", nil
	}
	return path, err
}

// crews are one application that polls and one by fan-out.
func crews(program, api, stream string) []*crew {
	args := func(app string, more ...string) []string {
		return append([]string{program, "--endpoint", "http://" + api, "--stream", stream, "--app", app}, more...)
	}
	return []*crew{
		{name: "KCL, polling", args: args("polling-app"), read: newReading()},
		{name: "KCL, fan-out", args: args("fan-out-app", "--efo"), read: newReading()},
	}
}

// run keeps the workers at work until ctx ends; until calm ends, they are
// killed now and then.
func (c *crew) run(ctx, calm context.Context, every time.Duration) error {
	var all errgroup.Group
	for i := range crewSize {
		all.Go(func() error {
			for n := 0; ctx.Err() == nil; n++ {
				life, end := context.WithCancel(ctx)
				go func() { // ends with the life
					if wait(life, every/2+rand.N(every)) == nil && calm.Err() == nil {
						c.deaths.Add(1)
						end()
					}
				}()
				err := c.work(life, fmt.Sprintf("worker-%d-%d", i, n))
				end()
				if err != nil {
					return err
				}
				_ = wait(ctx, time.Second) // the loop asks ctx
			}
			return nil
		})
	}
	return all.Wait()
}

// work is one worker's life.
func (c *crew) work(ctx context.Context, id string) error {
	cmd := exec.CommandContext(ctx, c.args[0], append(c.args[1:len(c.args):len(c.args)], "--worker", id)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		shard, rest, _ := strings.Cut(lines.Text(), " ")
		number, data, whole := strings.Cut(rest, " ")
		if !whole || c.read.add(shard, number, []byte(data)) != nil {
			break // cut off by the kill
		}
	}
	_ = cmd.Wait() // it was killed: that is its error
	return nil
}
