package main

import (
	"time"

	"github.com/spf13/cobra"
)

func benchCommand() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "bench",
		Short: "Publish as fast as acknowledgements come back",
		Example: `  firmware-sim bench --window 1024 --duration 10s
  firmware-sim bench --devices 100 --window 100 -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.run(c)
		},
	}
	f.register(c)
	s := c.Flags()
	s.IntVar(&f.conf.Devices, "devices", 1, "number of clients")
	s.IntVar(&f.conf.Window, "window", 1024, "messages in flight of each client")
	s.DurationVar(&f.conf.Duration, "duration", 10*time.Second, "how long")
	s.StringVar(&f.conf.Oracle, "oracle", "", "file of acknowledged payload ids, for verify")
	return c
}
