package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"

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
				stored, err := a.putBatch(cmd, args[0], []gateway.PutRecord{{Key: key, Data: []byte(args[1])}})
				if err != nil {
					return err
				}
				return a.tell("%s %s\n", stored[0].Shard, stored[0].Number)
			}
			return a.putLines(cmd, args[0], key)
		},
	})
	cmd.Flags().StringVar(&key, "key", "", "partition key, 1 to 256 characters")
	return cmd
}

// What one call takes, as many records as PutRecords does, and how long a line
// may be: a little more than a record, so that the gateway names the limit.
const (
	lineBatch      = 500
	lineBatchBytes = 1 << 20
	maxLine        = 11 << 20
)

// putLines stores the lines of the input, many in one call. Empty ones are
// passed over.
func (a *app) putLines(cmd *cobra.Command, stream, key string) error {
	in := bufio.NewScanner(a.term.in)
	in.Buffer(make([]byte, 1<<16), maxLine)
	stored, p := 0, a.progress()
	defer p.clear()
	var batch []gateway.PutRecord
	size := 0
	for more := true; more; {
		if more = in.Scan(); more && len(in.Bytes()) > 0 {
			batch, size = append(batch, gateway.PutRecord{Key: key, Data: bytes.Clone(in.Bytes())}), size+len(in.Bytes())
		}
		if len(batch) > 0 && (len(batch) == lineBatch || size > lineBatchBytes || !more) {
			results, err := a.putBatch(cmd, stream, batch)
			if stored += len(results); err != nil {
				return fmt.Errorf("after %d records: %w", stored, err)
			}
			p.show("%d records", stored)
			batch, size = nil, 0
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("after %d records: %w", stored, err)
	}
	p.clear()
	return a.tell("%d records are stored\n", stored)
}

// putBatch stores records and answers those that are in.
func (a *app) putBatch(cmd *cobra.Command, stream string, records []gateway.PutRecord) (stored []gateway.PutResult, err error) {
	results, err := a.client().Put(cmd.Context(), stream, records)
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		if r.Error != "" {
			err = errors.New(r.Error)
			continue
		}
		stored = append(stored, r)
		if a.json() {
			if err := a.printLine(r); err != nil {
				return stored, err
			}
		}
	}
	return stored, err
}

// tell prints what only people read.
func (a *app) tell(format string, args ...any) error {
	if a.json() {
		return nil
	}
	_, err := fmt.Fprintf(a.term.out, format, args...)
	return err
}
