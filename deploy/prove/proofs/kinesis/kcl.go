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
	"slices"
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
	size   int // workers at a time
	slow   int // how many times longer than others' its workers live
	read   *reading
	deaths atomic.Int64
}

// peer is where a program of others lies, "" when it has not been built.
func peer(names ...string) (string, error) {
	dir := os.Getenv("HEADGATE_PEERS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(cache, "headgate", "peers")
	}
	path := filepath.Join(append([]string{dir}, names...)...)
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if os.Getenv("CI") != "" {
			return "", fmt.Errorf("%s is not there; .ci/run builds it", path)
		}
		return "", nil
	}
	return path, err
}

// crews are applications of those KCLs that are there: of each one that polls
// and one by fan-out.
func crews(api, stream string, java bool) (all []*crew, err error) {
	add := func(name, app string, size, slow int, program ...string) {
		args := append(program, "--endpoint", "http://"+api, "--stream", stream, "--app")
		all = append(all, &crew{name: name + ", polling", args: append(slices.Clone(args), app+"-polling"), size: size, slow: slow, read: newReading()},
			&crew{name: name + ", fan-out", args: append(slices.Clone(args), app+"-fan-out", "--efo"), size: size, slow: slow, read: newReading()})
	}
	program, err := peer("kcl")
	if err != nil {
		return nil, err
	}
	if program != "" {
		add("vmware-go-kcl-v2", "go", 2, 1, program)
	}
	if !java {
		return all, nil
	}
	lib, err := peer("java", "lib")
	if err != nil {
		return nil, err
	}
	if lib != "" { // what its dead leader held is free after two minutes only
		add("KCL 3 of Java", "java", 1, 5, "java", "-Xmx256m", "-cp", lib+"/*:"+filepath.Join(lib, "..", "classes"), "Worker")
	}
	return all, nil
}

// run keeps the workers at work until ctx ends; until calm ends, they are
// killed now and then.
func (c *crew) run(ctx, calm context.Context, every time.Duration) error {
	var all errgroup.Group
	every *= time.Duration(c.slow)
	for i := range c.size {
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
		return fmt.Errorf("%s: %w", c.name, err)
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
