package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func (a *app) things() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:     "things",
		Short:   "What is known of the things behind devices: their shadows",
		Example: "  headgate things shadow get lamp",
		Args:    known,
	})
	shadow := &cobra.Command{Use: "shadow", Short: "Get, update, delete and list the shadows of a thing", Args: known,
		Long: `Get, update, delete and list the shadows of a thing: documents of what is desired of
it and what it reported, as AWS IoT Core has them. What is printed is what the API
answers.`,
		Example: `  echo '{"state":{"desired":{"color":"red"}}}' | headgate things shadow update lamp --file -
  headgate things shadow get lamp
  headgate things shadow list lamp`}
	shadow.AddCommand(a.shadowGet(), a.shadowUpdate(), a.shadowDelete(), a.shadowList())
	cmd.AddCommand(shadow)
	return cmd
}

// ofShadow is a command about one shadow.
func (a *app) ofShadow(use, short string, do func(cmd *cobra.Command, thing, name string) (json.RawMessage, error)) *cobra.Command {
	name := ""
	cmd := &cobra.Command{Use: use + " THING", Short: short, Args: exactArgs(1), Example: "  headgate things shadow " + use + " lamp --name settings",
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := do(cmd, args[0], name)
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := json.Indent(&b, document, "", "  "); err != nil {
				return err
			}
			b.WriteByte('\n')
			_, err = b.WriteTo(a.term.out)
			return err
		}}
	cmd.Flags().StringVar(&name, "name", "", "of a named shadow; without it the classic one")
	return cmd
}

func (a *app) shadowGet() *cobra.Command {
	return a.ofShadow("get", "Print a shadow", func(cmd *cobra.Command, thing, name string) (json.RawMessage, error) {
		return a.client().Shadow(cmd.Context(), thing, name)
	})
}

func (a *app) shadowDelete() *cobra.Command {
	return a.ofShadow("delete", "Delete a shadow", func(cmd *cobra.Command, thing, name string) (json.RawMessage, error) {
		return a.client().DeleteShadow(cmd.Context(), thing, name)
	})
}

func (a *app) shadowUpdate() *cobra.Command {
	file := ""
	cmd := a.ofShadow("update", "Merge a document into a shadow", func(cmd *cobra.Command, thing, name string) (json.RawMessage, error) {
		update, err := a.updateOf(file)
		if err != nil {
			return nil, err
		}
		return a.client().UpdateShadow(cmd.Context(), thing, name, update)
	})
	cmd.Example = "  headgate things shadow update lamp --file state.json\n  echo '{\"state\":{\"reported\":null}}' | headgate things shadow update lamp --file -"
	cmd.Flags().StringVar(&file, "file", "", `with {"state":{"desired":{…},"reported":{…}}}; -: the input`)
	return cmd
}

// updateOf reads an update.
func (a *app) updateOf(file string) (json.RawMessage, error) {
	if file == "" {
		return nil, usageError{errors.New("--file: say where the document is, - for the input")}
	}
	update, err := io.ReadAll(io.LimitReader(a.term.in, maxPolicyRead))
	if file != "-" {
		update, err = os.ReadFile(file)
	}
	if err == nil && !json.Valid(update) {
		err = errors.New("the document is not JSON")
	}
	return update, err
}

func (a *app) shadowList() *cobra.Command {
	return &cobra.Command{Use: "list THING", Short: "List the shadows of a thing", Args: exactArgs(1), Example: "  headgate things shadow list lamp",
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := a.client().Shadows(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(names)
			}
			var rows [][]string
			for _, name := range names {
				rows = append(rows, []string{or(name)})
			}
			return a.table("SHADOW", rows)
		}}
}
