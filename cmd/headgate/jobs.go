package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) jobs() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:   "jobs",
		Short: "Have devices do something, or update them: create, list, describe, cancel, delete",
		Long: `Have devices do something, or update them, as AWS IoT's jobs do. A device finds its
jobs at $aws/things/ID/jobs/…, when it connects or while it is connected, and a
job's file in blocks at $aws/things/ID/streams/JOB/…. Who was away finds them later.`,
		Example: `  headgate jobs create v7 --thing press-7 --thing press-8 --file firmware.bin --timeout 10m
  headgate jobs
  headgate jobs describe v7`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.jobList(cmd) },
	})
	cmd.AddCommand(a.jobCreate(), a.jobDescribe(), a.jobCancel(), a.jobDelete(),
		&cobra.Command{Use: "list", Short: "List the jobs", Args: noArgs, Example: "  headgate jobs list -o json",
			RunE: func(cmd *cobra.Command, _ []string) error { return a.jobList(cmd) }})
	return cmd
}

func (a *app) jobList(cmd *cobra.Command) error {
	all, err := a.client().Jobs(cmd.Context())
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(all)
	}
	var rows [][]string
	for _, j := range all {
		file := or(j.File)
		rows = append(rows, []string{j.Name, string(j.Status), fmt.Sprint(j.Things), timeText(j.Created), timeText(j.Ended), file[:min(12, len(file))]})
	}
	return a.table("JOB STATUS THINGS CREATED ENDED FILE", rows)
}

func (a *app) jobCreate() *cobra.Command {
	var o gateway.JobOrder
	var document, file string
	cmd := &cobra.Command{Use: "create JOB", Short: "Make a job", Args: exactArgs(1),
		Long: `Make a job for things, which are devices by their ids, and for those that are in a
group now. Its document is one JSON object of at most 32 KB; with --file alone it is
{"operation":"update","streamname":JOB,"files":[{"fileid":0,"filesize":…,"sha256":…}]}.`,
		Example: `  headgate jobs create v7 --thing press-7 --file firmware.bin --timeout 10m
  headgate jobs create reboot --group press --document reboot.json --rate 20
  headgate jobs create v8 --group press --file firmware.bin --abort-percent 20 --abort-after 10`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.Name = args[0]
			if document == "" && file == "" {
				return usageError{errors.New("say what is to be done: --document FILE, --file FILE, or both")}
			}
			if document != "" {
				if o.Document, err = os.ReadFile(document); err != nil {
					return err
				}
				if !json.Valid(o.Document) {
					return fmt.Errorf("%s is no JSON", document)
				}
			}
			if file != "" {
				if o.File, err = a.putJobFile(cmd, file); err != nil {
					return err
				}
			}
			j, err := a.client().CreateJob(cmd.Context(), o)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(j)
			}
			_, err = fmt.Fprintf(a.term.out, "%s is made for %d things: headgate jobs describe %s\n", j.Name, j.Things, j.Name)
			return err
		}}
	f := cmd.Flags()
	f.StringSliceVar(&o.Things, "thing", nil, "a device by its id; may be repeated")
	f.StringSliceVar(&o.Groups, "group", nil, "the devices of a group; may be repeated")
	f.StringVar(&document, "document", "", "what is to be done: a file with a JSON object")
	f.StringVar(&file, "file", "", "a file for the devices, at most 24 MiB")
	f.StringVar(&o.Description, "description", "", "what it is about")
	f.DurationVar(&o.Timeout, "timeout", 0, "how long a device may take once it has begun, 1m to 168h; 0: as long as it likes")
	f.IntVar(&o.Rate, "rate", 0, "devices a minute that get it; 0: all at once")
	f.IntVar(&o.AbortPercent, "abort-percent", 0, "cancel it when this share of those that ended went wrong; 0: never")
	f.IntVar(&o.AbortAfter, "abort-after", 1, "devices that must have ended before")
	return cmd
}

// putJobFile has the gateway keep a file, and answers its hash.
func (a *app) putJobFile(cmd *cobra.Command, name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close() // it was only read
	kept, err := a.client().PutJobFile(cmd.Context(), f)
	return kept.SHA256, err
}

func (a *app) jobDescribe() *cobra.Command {
	return &cobra.Command{Use: "describe JOB", Short: "Say how far each thing is with a job", Args: exactArgs(1), Example: "  headgate jobs describe v7",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.client().Job(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(d)
			}
			fmt.Fprintf(a.term.out, "%s is %s, made %s", d.Name, d.Status, timeText(d.Created))
			if d.Reason != "" {
				fmt.Fprintf(a.term.out, ", %s", d.Reason)
			}
			fmt.Fprintf(a.term.out, "\n%d things", d.Things)
			for _, status := range gateway.JobStatuses() {
				if n := d.Counts[status]; n > 0 {
					fmt.Fprintf(a.term.out, ", %d %s", n, status)
				}
			}
			if d.Waiting > 0 {
				fmt.Fprintf(a.term.out, ", %d not queued yet", d.Waiting)
			}
			fmt.Fprintln(a.term.out)
			var rows [][]string
			for _, e := range d.Executions {
				details := ""
				if len(e.Details) > 0 {
					b, err := json.Marshal(e.Details)
					if err != nil {
						return err
					}
					details = string(b)
				}
				rows = append(rows, []string{e.Thing, string(e.Status), fmt.Sprint(e.Version), timeText(e.Queued), timeText(e.Started), timeText(e.Updated), or(details)})
			}
			return a.table("THING STATUS VERSION QUEUED STARTED UPDATED DETAILS", rows)
		}}
}

func (a *app) jobCancel() *cobra.Command {
	force, reason := false, ""
	cmd := &cobra.Command{Use: "cancel JOB", Short: "End a job; what is in progress comes to its end, without --force", Args: exactArgs(1), Example: "  headgate jobs cancel v7 --force",
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := a.client().CancelJob(cmd.Context(), args[0], reason, force)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(j)
			}
			_, err = fmt.Fprintf(a.term.out, "%s is canceled\n", j.Name)
			return err
		}}
	cmd.Flags().BoolVar(&force, "force", false, "cancel what is in progress, too")
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}

func (a *app) jobDelete() *cobra.Command {
	force := false
	cmd := &cobra.Command{Use: "delete JOB", Short: "Forget a job and its executions", Args: exactArgs(1), Example: "  headgate jobs delete v7",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().DeleteJob(cmd.Context(), args[0], force); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.term.out, "%s is being deleted\n", args[0])
			return err
		}}
	cmd.Flags().BoolVar(&force, "force", false, "though it has executions that are pending")
	return cmd
}
