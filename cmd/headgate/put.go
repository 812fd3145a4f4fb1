package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) put() *cobra.Command {
	var key string
	cmd := a.withData(&cobra.Command{
		Use:   "put STREAM [DATA]",
		Short: "Store records: one from the command line, or one for each line of the input",
		Example: `  headgate put telemetry '{"temperature":21.5}' --key sensor-1
  generate | headgate put telemetry --key sensor-1`,
		Args: usage(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if key == "" {
				return usageError{errors.New("--key: say which partition key the records have")}
			}
			if len(args) == 2 {
				return a.putBatch(cmd, args[0], []gateway.PutRecord{{Key: key, Data: []byte(args[1])}})
			}
			return a.putLines(cmd, args[0], key)
		},
	})
	cmd.Flags().StringVar(&key, "key", "", "partition key, 1 to 256 characters")
	return cmd
}

// putLines stores the lines of the input, many in one call.
func (a *app) putLines(cmd *cobra.Command, stream, key string) error {
	in := bufio.NewReaderSize(a.term.in, 1<<16)
	stored, p := uint64(0), a.progress()
	defer p.clear()
	var batch []gateway.PutRecord
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := a.putBatch(cmd, stream, batch)
		stored += uint64(len(batch))
		p.show("%s records", count(stored))
		batch, size = nil, 0
		return err
	}
	for {
		line, err := in.ReadBytes('\n')
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		if len(line) > 0 {
			batch, size = append(batch, gateway.PutRecord{Key: key, Data: line}), size+len(line)
		}
		if len(batch) == 500 || size > 1<<20 || err != nil {
			if err := flush(); err != nil {
				return fmt.Errorf("after %s records: %w", count(stored), err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (a *app) putBatch(cmd *cobra.Command, stream string, records []gateway.PutRecord) error {
	results, err := a.client().Put(cmd.Context(), stream, records)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Error != "" {
			return errors.New(r.Error)
		}
		if a.json() {
			if err := a.printLine(r); err != nil {
				return err
			}
		} else if len(results) == 1 {
			fmt.Fprintln(a.term.out, r.Shard, r.Number)
		}
	}
	return nil
}
