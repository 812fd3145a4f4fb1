package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"headgate/firmware-sim/fleet"
)

func verifyCommand() *cobra.Command {
	var oracle, input, output string
	var exactlyOnce bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Compare records that were read with what was acknowledged",
		Long: `Compare records that were read, one JSON object a line with key and data
(base64), with an oracle file. Fails when an acknowledged message is missing,
altered or out of order, or one of QoS 2 is there twice; duplicates of QoS 1 are
counted.`,
		Example: `  headgate tail telemetry -o json | firmware-sim verify --oracle acked.txt
  firmware-sim verify --oracle acked.txt --input records.jsonl --exactly-once -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if oracle == "" || output != "text" && output != "json" {
				return usageError{fmt.Errorf("--oracle FILE is needed, and --output is text or json")}
			}
			report, err := verify(c.InOrStdin(), oracle, input)
			if err != nil {
				return err
			}
			if err := printReport(c.OutOrStdout(), output, report); err != nil {
				return err
			}
			if !report.OK() || exactlyOnce && report.Duplicates > 0 {
				return errFailed
			}
			return nil
		},
	}
	s := c.Flags()
	s.StringVar(&oracle, "oracle", "", "the oracle file of the run")
	s.StringVar(&input, "input", "-", "file of records, - for standard input")
	s.BoolVar(&exactlyOnce, "exactly-once", false, "fail on any duplicate")
	s.StringVarP(&output, "output", "o", "text", "how the report is printed: text or json")
	return c
}

func verify(stdin io.Reader, oracle, input string) (fleet.Report, error) {
	acked, err := fleet.ReadOracle(oracle)
	if err != nil {
		return fleet.Report{}, err
	}
	if input != "-" {
		file, err := os.Open(input)
		if err != nil {
			return fleet.Report{}, err
		}
		defer file.Close()
		stdin = file
	}
	checker := fleet.NewChecker(acked)
	if err := fleet.Verify(stdin, checker); err != nil {
		return fleet.Report{}, err
	}
	return checker.Report(), nil
}

func printReport(out io.Writer, output string, r fleet.Report) error {
	if output == "json" {
		return json.NewEncoder(out).Encode(struct {
			OK bool `json:"ok"`
			fleet.Report
		}{r.OK(), r})
	}
	_, err := fmt.Fprintf(out, `records       %d of %d devices
acknowledged  %d
missing       %d
altered       %d
out of order  %d
duplicates    %d, %d of QoS 2
extra         %d (read, never acknowledged)
foreign       %d
other key     %d
`, r.Records, r.Devices, r.Acked, r.Missing, r.Altered, r.Disorder, r.Duplicates, r.DuplicatesQoS2, r.Extra, r.Foreign, r.OtherKey)
	if err == nil && r.LatencyOf > 0 {
		_, err = fmt.Fprintf(out, "latency       median %s, 99 %% within %s (%d records)\n",
			r.LatencyMedian.Round(time.Millisecond), r.Latency99.Round(time.Millisecond), r.LatencyOf)
	}
	for _, example := range r.Examples {
		if err == nil {
			_, err = fmt.Fprintln(out, " ", example)
		}
	}
	return err
}
