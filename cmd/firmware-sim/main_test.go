package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headgate/firmware-sim/device"
)

// execute runs a command line as main does.
func execute(stdin string, args ...string) (stdout string, exit int) {
	c := command()
	var out bytes.Buffer
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(&out)
	c.SetErr(io.Discard)
	c.SetArgs(args)
	exit = code(c.ExecuteContext(context.Background()))
	return out.String(), exit
}

func TestExitCodes(t *testing.T) {
	for line, want := range map[string]int{
		"":                                   0,
		"--help":                             0,
		"run --help":                         0,
		"runn":                               2,
		"run --bogus":                        2,
		"run --qos 3":                        2,
		"run --kinds hat":                    2,
		"run --versions 4":                   2,
		"run --broker nowhere":               2,
		"run --devices -1":                   2,
		"run -o xml":                         2,
		"run extra":                          2,
		"bench --password-file /nonexistent": 1,
		"verify":                             2,
		"verify --oracle /nonexistent":       1,
		"run --cert-dir /nonexistent --ca /nonexistent": 1,
		"enrol": 2,
		"enrol --https https://127.0.0.1:1 --cert-dir x --code C":            2,
		"enrol --https https://127.0.0.1:1 --cert-dir x --renew":             2,
		"enrol --https https://127.0.0.1:1 --cert-dir x --code C --device a": 1,
		"storm --devices -1":       2,
		"storm --broker nowhere":   2,
		"thing":                    2,
		"thing a --broker nowhere": 2,
		"thing a --report 7":       2,
		"thing a --broker 127.0.0.1:1 --duration 50ms --one-job": 1,
		"scenarios":                     0,
		"run --fault cat=1":             2,
		"run --fault cut=2":             2,
		"run --fault power-cut=1":       2,
		"run --scenario nothing":        2,
		"run --scenario ./nothing.yaml": 2,
		"storm -o xml":                  2,
		"storm --cert-dir /nonexistent": 1,
		"storm --broker 127.0.0.1:1 --tries 1 --devices 2 --hold 0s -o json": 1,
		"camera":                2,
		"camera --whip nowhere": 2,
		"camera --whip http://127.0.0.1:1/x --size 12by10":                   2,
		"camera --whip http://127.0.0.1:1/x --bitrate fast":                  2,
		"camera --whip http://127.0.0.1:1/x --loss 100%":                     2,
		"camera --whip http://127.0.0.1:1/x --cameras 0":                     2,
		"camera --whip http://127.0.0.1:1/x --audio mp3":                     2,
		"camera --whip http://127.0.0.1:1/x --token-file /nonexistent":       1,
		"camera --whip http://127.0.0.1:1/x --for 50ms -o json":              1,
		"run --messages 1 --duration 50ms --grace 50ms --broker 127.0.0.1:1": 1,
	} {
		if _, got := execute("", strings.Fields(line)...); got != want {
			t.Errorf("firmware-sim %s exits with %d, want %d", line, got, want)
		}
	}
}

func TestVerify(t *testing.T) {
	d, err := device.World{Seed: 9}.Device(device.ID{Kind: device.GPS, Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	line := func(text string) string {
		return fmt.Sprintf("%s %08x\n", text, crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
	}
	w := device.World{Seed: 9}.Normal()
	oracle := filepath.Join(t.TempDir(), "acked")
	text := line(fmt.Sprintf("firmware-sim-oracle-1 9 %d %d", w.Epoch.UnixMilli(), w.Period)) + line("gps-00001 1 2 0")
	if err := os.WriteFile(oracle, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(oracle+"-2", []byte(strings.Replace(text, line("gps-00001 1 2 0"), line("gps-00001 1 2 0 2"), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	record := func(n uint64) string {
		return fmt.Sprintf("{\"key\":\"gps-00001\",\"data\":%q}\n", base64.StdEncoding.EncodeToString(d.Append(nil, n)))
	}
	for name, c := range map[string]struct {
		input string
		flags []string
		exit  int
	}{
		"good":           {record(1) + record(2), nil, 0},
		"lost":           {record(1), nil, 1},
		"doubled":        {record(1) + record(2) + record(2), nil, 0},
		"doubled, once":  {record(1) + record(2) + record(2), []string{"--exactly-once"}, 1},
		"doubled, QoS 2": {record(1) + record(2) + record(2), []string{"--oracle", oracle + "-2"}, 1},
		"not a record":   {"hello", nil, 1},
		"reordered":      {record(2) + record(1), nil, 1},
		"unknown output": {record(1) + record(2), []string{"-o", "xml"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			out, exit := execute(c.input, append([]string{"verify", "--oracle", oracle, "-o", "json"}, c.flags...)...)
			if exit != c.exit {
				t.Errorf("exits with %d, want %d: %s", exit, c.exit, out)
			}
			if out != "" && !json.Valid([]byte(out)) {
				t.Errorf("no JSON: %s", out)
			}
		})
	}
}
