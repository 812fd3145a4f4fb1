package lambda

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"headgate/shardlog"
)

// Config says how a function is hosted.
type Config struct {
	Name    string            // of the function
	Command []string          // the bootstrap and its arguments; the program's path is absolute
	Handler string            // _HANDLER; bootstraps in compiled languages ignore it
	Dir     string            // LAMBDA_TASK_ROOT and working directory; the bootstrap's own when empty
	Env     map[string]string // of the function; it gets nothing of ours
	Region  string            // AWS_REGION; default us-east-1
	Timeout time.Duration     // of one invocation; default 1 minute, at most 5
	Memory  int               // MiB of data the process may have; default 256, at least 64
	Say     func(line string) // takes what the function prints; nil drops it
}

const (
	defaultTimeout = time.Minute
	defaultMemory  = 256
	minMemory      = 64
)

// Host runs one bootstrap and gives it one event at a time. A bootstrap that
// ends, or takes too long, is started again. Make it with Open and run it
// with Run.
type Host struct {
	c     Config
	calls chan *call // from Invoke to whoever runs
}

var _ Invoker = (*Host)(nil)

// Open checks the configuration; what is wrong is Invalid. It starts nothing.
func Open(c Config) (*Host, error) {
	if err := CheckName(c.Name); err != nil {
		return nil, err
	}
	if len(c.Command) == 0 || !filepath.IsAbs(c.Command[0]) {
		return nil, shardlog.Errorf(shardlog.Invalid, "open function", "%s needs a command with an absolute path", c.Name)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Timeout < 0 || c.Timeout > maxInvocation {
		return nil, shardlog.Errorf(shardlog.Invalid, "open function", "the timeout of %s is %v, up to %v are allowed", c.Name, c.Timeout, maxInvocation)
	}
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	if c.Memory < minMemory {
		return nil, shardlog.Errorf(shardlog.Invalid, "open function", "the memory of %s is %d MiB, at least %d are needed", c.Name, c.Memory, minMemory)
	}
	if c.Dir == "" {
		c.Dir = filepath.Dir(c.Command[0])
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Say == nil {
		c.Say = func(string) {}
	}
	return &Host{c: c, calls: make(chan *call)}, nil
}

// Invoke waits for its turn and for the reply. It needs Run to run. A
// bootstrap that does not come up is Unavailable.
func (h *Host) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	if len(event) > MaxPayload {
		return nil, failed(CodeTooLarge, "the event has %d bytes, %d are allowed", len(event), MaxPayload)
	}
	c := &call{event: event, done: make(chan outcome, 1)}
	select {
	case h.calls <- c:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case o := <-c.done:
		return o.reply, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// The pauses before a bootstrap is started again that did not come up.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// Run hosts the function until the context ends; then the bootstrap is killed.
func (h *Host) Run(ctx context.Context) error {
	pause := firstPause
	for ctx.Err() == nil {
		up, err := h.live(ctx)
		if ctx.Err() != nil {
			break
		}
		if up {
			pause = firstPause
			continue
		}
		h.refuse(ctx, pause, fmt.Errorf("it does not come up: %w", err))
		pause = min(2*pause, lastPause)
	}
	return nil
}

// refuse answers all calls with an error, for a while.
func (h *Host) refuse(ctx context.Context, pause time.Duration, why error) {
	over := time.NewTimer(pause)
	defer over.Stop()
	for {
		select {
		case c := <-h.calls:
			c.end(nil, shardlog.Errorf(shardlog.Unavailable, "invoke function", "%s: %w", h.c.Name, why))
		case <-over.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// live is one life of the bootstrap. It reports whether it came up, that is,
// asked for an event.
func (h *Host) live(ctx context.Context) (up bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := serve(h, cancel)
	if err != nil {
		return false, err
	}
	defer r.close()
	command := exec.CommandContext(ctx, h.c.Command[0], h.c.Command[1:]...)
	command.Dir, command.Env = h.c.Dir, h.environment(r.address())
	said := &lines{say: h.c.Say}
	command.Stdout, command.Stderr = said, said
	command.WaitDelay = time.Second // for children that keep its output open
	command.Cancel = func() error { return kill(command.Process) }
	apart(command)
	if err := command.Start(); err != nil {
		return false, fmt.Errorf("start bootstrap: %w", err)
	}
	if err := limitMemory(command.Process, h.c.Memory); err != nil {
		h.c.Say("the memory is not limited: " + err.Error())
	}
	err = command.Wait()
	said.flush()
	if err == nil {
		err = errors.New("the bootstrap ended")
	}
	return r.gone(err)
}

// environment is what Lambda sets for a function, and what the user adds.
func (h *Host) environment(api string) []string {
	all := map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC",
		"_HANDLER": h.c.Handler, "LAMBDA_TASK_ROOT": h.c.Dir, "LAMBDA_RUNTIME_DIR": h.c.Dir,
		"AWS_LAMBDA_RUNTIME_API": api, "AWS_LAMBDA_FUNCTION_NAME": h.c.Name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": fmt.Sprint(h.c.Memory), "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + h.c.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME": h.c.Name, "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_REGION": h.c.Region, "AWS_DEFAULT_REGION": h.c.Region,
	}
	maps.Copy(all, h.c.Env)
	var env []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, name+"="+all[name])
	}
	return env
}
