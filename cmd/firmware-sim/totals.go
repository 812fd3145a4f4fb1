package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"headgate/firmware-sim/fleet"
)

// watch prints a line of progress once a second until the function it returns is called.
func watch(out io.Writer, totals func() fleet.Totals) (stop func()) {
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		lineEnd := "\n"
		if isTerminal(out) {
			lineEnd = "\033[K\r"
			defer fmt.Fprintln(out)
		}
		var before fleet.Totals
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			t := totals()
			rate := float64(t.Acknowledged-before.Acknowledged) / (t.Elapsed - before.Elapsed).Seconds()
			fmt.Fprintf(out, "%4.0fs  connected %d/%d  sent %d  acknowledged %d (%.0f/s)  in flight %d  buffered %d  lost links %d",
				t.Elapsed.Seconds(), t.Connected, t.Devices, t.Sent, t.Acknowledged, rate, t.InFlight, t.Buffered, t.Losses)
			if t.Connected < int64(t.Devices) && t.Failures > before.Failures {
				fmt.Fprintf(out, "  %s", t.LastError)
			}
			fmt.Fprint(out, lineEnd)
			before = t
		}
	})
	return func() { close(done); writer.Wait() }
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printTotals prints what a run did.
func printTotals(out io.Writer, output string, seed uint64, t fleet.Totals) error {
	rate := float64(t.Acknowledged) / max(t.Elapsed.Seconds(), 0.001)
	if output == "json" {
		return json.NewEncoder(out).Encode(struct {
			Seed uint64 `json:"seed"`
			fleet.Totals
			AcknowledgedRate float64 `json:"acknowledgedRate"`
		}{seed, t, rate})
	}
	_, err := fmt.Fprintf(out, `seed          %d
devices       %d, %d finished
connections   %d at once, %d made, %d failed, %d lost, %d of a session that was forgotten
sent          %d, %d repeated
acknowledged  %d, %d in flight, %d without acknowledgement (QoS 0)
buffered      %d, %d dropped
time          %.1f s, %.0f acknowledged/s, median %s, 99 %% within %s
`, seed, t.Devices, t.Finished, t.MostAtOnce, t.Connects, t.Failures, t.Losses, t.Forgotten, t.Sent, t.Repeated,
		t.Acknowledged, t.InFlight, t.Unanswered, t.Buffered, t.Dropped, t.Elapsed.Seconds(), rate,
		t.AckMedian.Round(time.Microsecond), t.Ack99.Round(time.Microsecond))
	return err
}
