package main

import (
	"errors"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) deliveryPause() *cobra.Command {
	return &cobra.Command{
		Use: "pause NAME", Short: "Stop a delivery for now", Args: exactArgs(1),
		Long: `Stop a delivery, on whatever gateway it runs, within two seconds. What is not
delivered stays on the disk, up to the budget.`,
		Example: "  headgate delivery pause lake",
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := a.client().PauseDelivery(cmd.Context(), args[0]); err != nil {
				return err
			}
			return a.tell("%s is paused: headgate delivery resume %s lets it go on\n", args[0], args[0])
		},
	}
}

func (a *app) deliveryResume() *cobra.Command {
	return &cobra.Command{
		Use: "resume NAME", Short: "Let a paused delivery go on", Args: exactArgs(1),
		Example: "  headgate delivery resume lake",
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := a.client().ResumeDelivery(cmd.Context(), args[0]); err != nil {
				return err
			}
			return a.tell("%s goes on\n", args[0])
		},
	}
}

func (a *app) deliverySeek() *cobra.Command {
	var to gateway.DeliverySeek
	cmd := &cobra.Command{
		Use: "seek NAME --to PLACE", Short: "Make a delivery go on elsewhere in its stream", Args: exactArgs(1),
		Long: `Make a delivery go on elsewhere: at the oldest record that is kept, behind the
newest, or at the first that arrived at a time or later. What lies between is
delivered again, or not at all. A batch that is on its way may have arrived:
without --force it is left to arrive first.`,
		Example: `  headgate delivery seek lake --to oldest
  headgate delivery seek lake --to 2026-11-26T08:00:00Z
  headgate delivery seek lake --to newest --force`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if to.To == "" {
				return usageError{errors.New("--to: say oldest, newest or a time such as 2026-11-26T08:00:00Z")}
			}
			if _, err := a.client().SeekDelivery(cmd.Context(), args[0], to); err != nil {
				return err
			}
			return a.tell("%s goes on at %s\n", args[0], to.To)
		},
	}
	cmd.Flags().StringVar(&to.To, "to", "", "oldest, newest or a time")
	cmd.Flags().BoolVar(&to.Force, "force", false, "drop batches that are on their way")
	return cmd
}
