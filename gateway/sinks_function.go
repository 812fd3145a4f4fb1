package gateway

import (
	"context"
	"errors"

	"headgate/firehose"
	"headgate/firehose/sink/function"
	"headgate/firehose/transform/lambda"
)

// FunctionConfig is a function that is invoked with the stream's records, as an
// event source mapping of AWS Lambda does.
type FunctionConfig struct {
	Name      string  `yaml:"name"`
	URL       string  `yaml:"url"`      // of the Invoke API; empty: a function of this configuration file
	Records   int     `yaml:"records"`  // of one invocation; zero: 100
	Attempts  int     `yaml:"attempts"` // until a batch is halved; zero: 3
	Parallel  int     `yaml:"parallel"` // invocations of one batch at once, each with the keys of its own; zero: 1
	Token     *Secret `yaml:"token"`
	NetConfig `yaml:",inline"`
}

func (c *FunctionConfig) check() error {
	if c.Name == "" {
		return Fault{"name", "name the function"}
	}
	return c.NetConfig.check()
}

func (c *FunctionConfig) secrets() []*Secret { return append(c.NetConfig.secrets(), c.Token) }

func (c *FunctionConfig) open(w *way) (firehose.Sink, error) {
	f := function.Config{URL: c.URL, Name: c.Name, Records: c.Records, Attempts: c.Attempts, Parallel: c.Parallel, Region: w.config.AWS.Region}
	if c.URL == "" {
		invoker, err := w.functions.find(c.Name)
		if err != nil {
			return nil, err
		}
		f.Hosted = hostedHere(invoker)
		return function.Open(f)
	}
	var err error
	if f.Token, err = read("token", c.Token); err != nil {
		return nil, err
	}
	if f.Transport, err = w.transport(c.NetConfig); err != nil {
		return nil, err
	}
	return function.Open(f)
}

// hostedHere tells a function's own failures from those to reach it.
func hostedHere(f lambda.Invoker) function.Hosted {
	return func(ctx context.Context, event []byte) (reply []byte, failed bool, err error) {
		reply, err = f.Invoke(ctx, event)
		if fault := (*lambda.FunctionError)(nil); errors.As(err, &fault) {
			return []byte(fault.Error()), true, nil
		}
		return reply, false, err
	}
}
