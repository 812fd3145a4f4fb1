// Command site makes a lab for people: hosts on this machine, a command on
// each of them if one is given, and links that obey the lines on its input.
// README.md in the folder above shows it.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"headgate/deploy/lab"
)

func main() {
	hosts := flag.Int("hosts", 3, "hosts")
	seed := flag.Uint64("seed", 1, "of the links' randomness")
	scenario := flag.String("scenario", "", "lte, flap, one-way, outage, or a file of lines with wait and again")
	flag.Usage = usage
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := site(ctx, lab.Config{Hosts: *hosts, Seed: *seed}, *scenario, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintf(os.Stderr, "site [--hosts 3] [--seed 1] [--scenario NAME] [-- COMMAND ...]\n"+
		"{n}, {name} and {address} in the command stand for those of each host.\nLines on the input:\n%s\n", lab.Words)
	flag.PrintDefaults()
}

func site(ctx context.Context, c lab.Config, scenario string, command []string) (err error) {
	script, err := find(scenario)
	if err != nil {
		return err
	}
	l, err := lab.New(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for _, h := range l.Hosts() {
		fmt.Printf("%s  %s  ip netns exec %s bash\n", h.Name(), h.Address(), h.Namespace())
	}
	ctx, stop := context.WithCancel(ctx)
	var duties sync.WaitGroup
	defer duties.Wait()
	defer stop()
	duties.Go(func() {
		if err := l.Play(ctx, script, func(line string) { fmt.Println(">", line) }); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "scenario:", err)
		}
	})
	input := make(chan struct{})
	go func() { defer close(input); obey(l) }() // ends with the input, or with the process
	if len(command) > 0 {
		return run(ctx, l, command)
	}
	select {
	case <-ctx.Done():
	case <-input:
	}
	return nil
}

// find is the script of a scenario, by its name or its file.
func find(scenario string) (string, error) {
	if script, ok := lab.Scenario(scenario); ok || scenario == "" {
		return script, nil
	}
	b, err := os.ReadFile(scenario)
	return string(b), err
}

// obey carries out the lines on the input until it ends.
func obey(l *lab.Lab) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answer, err := l.Do(lines.Text())
		if err != nil {
			answer = err.Error()
		}
		if answer != "" {
			fmt.Println(answer)
		}
	}
}

// run runs the command on every host until all have ended; with ctx they are
// told to, by SIGTERM.
func run(ctx context.Context, l *lab.Lab, command []string) error {
	ended := make(chan error)
	for _, h := range l.Hosts() {
		cmd := commandOn(ctx, h, command)
		go func() { // the loop below waits for it
			if err := runWith(cmd, h.Name()+" | "); err != nil && ctx.Err() == nil {
				ended <- fmt.Errorf("%s: %w", h.Name(), err)
				return
			}
			ended <- nil
		}()
	}
	var all error
	for range l.Hosts() {
		all = errors.Join(all, <-ended)
	}
	return all
}

func commandOn(ctx context.Context, h *lab.Host, command []string) *exec.Cmd {
	words := strings.NewReplacer("{n}", strconv.Itoa(h.Number()), "{name}", h.Name(), "{address}", h.Address())
	var args []string
	for _, arg := range command {
		args = append(args, words.Replace(arg))
	}
	cmd := h.Command(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

// runWith runs a command and prints its lines with the host's name before
// them.
func runWith(cmd *exec.Cmd, name string) error {
	read, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		for lines := bufio.NewScanner(read); lines.Scan(); {
			fmt.Println(name + lines.Text())
		}
		_, _ = io.Copy(io.Discard, read) // after a line too long to print
	}()
	err := cmd.Run()
	_ = write.Close() // never fails
	<-printed
	return err
}
