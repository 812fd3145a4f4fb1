package gateway_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/rogpeppe/go-internal/testscript"

	"headgate/gateway"
)

// binaryFolder holds the binary that all stories share.
var binaryFolder string

func TestMain(m *testing.M) {
	var err error
	if binaryFolder, err = os.MkdirTemp("", "headgate-story-*"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(binaryFolder) // a leftover harms nobody
	os.Exit(code)
}

// binary is the folder with the real headgate, built once. HEADGATE_BINARY
// names one that is built already, for another architecture for instance.
var binary = sync.OnceValues(func() (string, error) {
	if name := os.Getenv("HEADGATE_BINARY"); name != "" {
		return filepath.Dir(name), nil
	}
	build := exec.Command("go", "build", "-o", filepath.Join(binaryFolder, "headgate"), "headgate/cmd/headgate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build headgate: %w: %s", err, out)
	}
	return binaryFolder, nil
})

// TestStories drives whole gateways as people do: by the command line.
func TestStories(t *testing.T) {
	folder, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/story",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", folder+string(os.PathListSeparator)+e.Getenv("PATH"))
			for _, door := range []string{"API", "MQTT", "CONSOLE"} {
				e.Setenv("HEADGATE_"+door, "127.0.0.1:0")
			}
			e.Setenv("HEADGATE_LOG_LEVEL", "warn")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "doors": doors, "get": get, "await": await, "noise": noise, "flip": flip, "hold": hold, "keep": keep, "signed": signed,
			"votes": votes, "sees": sees, "admitted": admitted, "repeat": repeat,
		},
	})
}

// exits runs a command and wants this exit code: exits 2 headgate frob
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got, exit := 0, (*exec.ExitError)(nil)
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%v ended with %d, not %d", args[1:], got, want)
	}
}

// doors sets API, MQTT and CONSOLE to where a gateway listens: doors DATA
func doors(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := gateway.Dial(ts.MkAbs(args[0])).Await(ctx)
	ts.Check(err)
	ts.Setenv("API", s.Addresses.API)
	ts.Setenv("MQTT", s.Addresses.MQTT)
	ts.Setenv("CONSOLE", s.Addresses.Console)
}

// get prints what a URL answers: get 200 http://$CONSOLE/readyz
func get(ts *testscript.TestScript, _ bool, args []string) {
	answer, err := http.Get(args[1])
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	if fmt.Sprint(answer.StatusCode) != args[0] {
		ts.Fatalf("%s answered %d: %s", args[1], answer.StatusCode, body)
	}
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
}

// await waits until a file appears: await 'delivered/*/*'
func await(ts *testscript.TestScript, _ bool, args []string) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(30 * time.Second); time.Now().Before(late); <-tick.C {
		if found, err := filepath.Glob(ts.MkAbs(args[0])); err != nil || len(found) > 0 {
			ts.Check(err)
			return
		}
	}
	ts.Fatalf("no %s", args[0])
}

// repeat runs a command until it prints what matches: repeat '2 QUEUED' headgate jobs describe v7
func repeat(ts *testscript.TestScript, _ bool, args []string) {
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(30 * time.Second); time.Now().Before(late); <-tick.C {
		if err := ts.Exec(args[1], args[2:]...); err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%v does not print %s", args[1:], args[0])
}

// noise writes lines that do not compress: noise FILE LINES
func noise(ts *testscript.TestScript, _ bool, args []string) {
	lines, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	for n := range lines {
		fmt.Fprintf(&b, "%d", n)
		for range 30 {
			b.WriteString(rand.Text())
		}
		b.WriteByte('\n')
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// flip changes one byte in the middle of the first file: flip 'data/pebble/*.blob'
func flip(ts *testscript.TestScript, _ bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(found) == 0 {
		ts.Fatalf("no %s", args[0])
	}
	data, err := os.ReadFile(found[0])
	ts.Check(err)
	data[len(data)/2] ^= 0x40
	ts.Check(os.WriteFile(found[0], data, 0o600))
}

// hold listens on a port and names it: hold TAKEN
func hold(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() }) // the test is over
	ts.Setenv(args[0], l.Addr().String())
}

// keep sets a variable to what the last output has in the pattern's
// parentheses: keep ID 'AWS_ACCESS_KEY_ID=(.*)'
func keep(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	found := pattern.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("no %s in the output", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// signed makes a call of the API at $API with a key pair: signed $ID $SECRET
func signed(ts *testscript.TestScript, neg bool, args []string) {
	k := kinesis.New(kinesis.Options{
		BaseEndpoint: aws.String("http://" + ts.Getenv("API")), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider(args[0], args[1], ""),
	})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := k.ListStreams(ctx, &kinesis.ListStreamsInput{}); (err == nil) == neg {
		ts.Fatalf("call answered %v", err)
	}
}
