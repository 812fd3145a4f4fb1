package gateway

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/firehose/transform"
	"headgate/firehose/transform/lambda"
	"headgate/shardlog"
)

// LambdaConfig is a Lambda function that transforms call by its name: a
// bootstrap that runs here, or a server elsewhere with the Invoke API. Every
// gateway of the site that may come to lead needs it.
type LambdaConfig struct {
	Name        string            `yaml:"name"`
	Command     []string          `yaml:"command"`     // the bootstrap, by an absolute path, and its arguments
	URL         string            `yaml:"url"`         // of the Invoke API, instead of a command
	Handler     string            `yaml:"handler"`     // _HANDLER; bootstraps in compiled languages ignore it
	Environment map[string]string `yaml:"environment"` // of the function; it gets nothing of the gateway's
	Timeout     *Duration         `yaml:"timeout"`     // of one invocation: 1m unless given, 5m at most
	Memory      Bytes             `yaml:"memory"`      // of data: 256MiB unless given, 64MiB at least
}

// hosted are the functions by name, and what runs those that run here.
type hosted struct {
	functions map[string]transform.Invoker
	runs      []func(context.Context) error
}

func (c *LambdaConfig) check() error {
	if (len(c.Command) == 0) == (c.URL == "") {
		return Fault{"command", "give it a command or a url"}
	}
	if c.URL != "" {
		return (&lambda.HTTP{URL: c.URL, Name: c.Name}).Check()
	}
	_, err := lambda.Open(c.host(nil))
	return err
}

func (c *LambdaConfig) host(say func(string)) lambda.Config {
	host := lambda.Config{Name: c.Name, Command: c.Command, Handler: c.Handler, Env: c.Environment, Memory: int(c.Memory >> 20), Say: say}
	if c.Timeout != nil {
		host.Timeout = time.Duration(*c.Timeout)
	}
	return host
}

// openFunctions makes the functions of the configuration ready.
func (g *Gateway) openFunctions() (*hosted, error) {
	h := &hosted{functions: map[string]transform.Invoker{}}
	for i := range g.config.Functions {
		c := &g.config.Functions[i]
		if c.URL != "" {
			h.functions[c.Name] = &lambda.HTTP{URL: c.URL, Name: c.Name}
			continue
		}
		host, err := lambda.Open(c.host(func(line string) { g.log.Info("function says", "function", c.Name, "line", line) }))
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", c.Name, err)
		}
		h.functions[c.Name] = host
		h.runs = append(h.runs, host.Run)
	}
	return h, nil
}

// find is the function of the name.
func (h *hosted) find(name string) (transform.Invoker, error) {
	f, ok := h.functions[name]
	if !ok {
		return nil, shardlog.Errorf(shardlog.Invalid, "find function", "there is no %s under functions in the configuration file", name)
	}
	return f, nil
}

// run runs the functions that are hosted here. It is the leader's.
func (h *hosted) run(ctx context.Context) error {
	var group errgroup.Group
	for _, run := range h.runs {
		group.Go(func() error { return run(ctx) })
	}
	<-ctx.Done()
	return group.Wait()
}

func (c *Config) checkFunctions() error {
	seen := map[string]bool{}
	for i := range c.Functions {
		f := &c.Functions[i]
		at := fmt.Sprintf("functions[%d]", i)
		if err := f.check(); err != nil {
			if fault, ok := err.(Fault); ok {
				return Fault{at + "." + fault.Path, fault.Message}
			}
			return Fault{at, err.Error()}
		}
		if seen[f.Name] {
			return Fault{at + ".name", fmt.Sprintf("%s stands here twice", f.Name)}
		}
		seen[f.Name] = true
	}
	return nil
}
