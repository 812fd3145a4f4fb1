package main

import "github.com/spf13/cobra"

func (a *app) streamsSplit() *cobra.Command {
	return &cobra.Command{
		Use: "split STREAM SHARD", Short: "Split a shard in the middle of its range", Args: exactArgs(2),
		Example: "  headgate streams split metrics 0",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.client().SplitShard(cmd.Context(), args[0], args[1])
			return a.showStream(d, err)
		},
	}
}

func (a *app) streamsMerge() *cobra.Command {
	return &cobra.Command{
		Use: "merge STREAM SHARD ADJACENT", Short: "Merge two shards whose ranges touch", Args: exactArgs(3),
		Example: "  headgate streams merge metrics 1 2",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.client().MergeShards(cmd.Context(), args[0], args[1], args[2])
			return a.showStream(d, err)
		},
	}
}
