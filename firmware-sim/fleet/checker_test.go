package fleet_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fleet"
)

var (
	world = device.World{Seed: 11, Epoch: time.UnixMilli(1_700_000_000_000)}.Normal()
	probe = device.ID{Kind: device.Temperature, Number: 3}
)

// line is an oracle line with its checksum.
func line(text string) string {
	return fmt.Sprintf("%s %08x\n", text, crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
}

// oracleOf writes an oracle in which these runs of one device were acknowledged.
func oracleOf(t testing.TB, lines ...string) string {
	t.Helper()
	text := line(fmt.Sprintf("firmware-sim-oracle-1 %d %d %d", world.Seed, world.Epoch.UnixMilli(), world.Period))
	for _, l := range lines {
		text += line(l)
	}
	path := filepath.Join(t.TempDir(), "acked")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readOracle(t testing.TB, path string) *fleet.Acked {
	t.Helper()
	acked, err := fleet.ReadOracle(path)
	if err != nil {
		t.Fatal(err)
	}
	return acked
}

func payloads(t testing.TB, last uint64) [][]byte {
	t.Helper()
	d, err := world.Device(probe)
	if err != nil {
		t.Fatal(err)
	}
	all := make([][]byte, last+1)
	for n := range all {
		all[n] = d.Append(nil, uint64(n))
	}
	return all
}

func TestCheckerFindsInjectedFaults(t *testing.T) {
	all := payloads(t, 10)
	altered := bytes.Clone(all[4])
	altered[70] ^= 1
	rekeyed := bytes.Replace(all[4], []byte(`"seq":4`), []byte(`"seq":5`), 1)
	type counts struct{ missing, duplicates, altered, disorder, extra, foreign uint64 }
	for name, c := range map[string]struct {
		read [][]byte
		want counts
		ok   bool
	}{
		"good":               {all[1:9], counts{}, true},
		"nothing":            {nil, counts{missing: 8}, false},
		"lost one":           {append(append([][]byte{}, all[1:4]...), all[5:9]...), counts{missing: 1}, false},
		"lost the last":      {all[1:8], counts{missing: 1}, false},
		"doubled one":        {append(append([][]byte{}, all[1:5]...), all[4:9]...), counts{duplicates: 1}, true},
		"repeated a window":  {append(append([][]byte{}, all[1:7]...), all[3:9]...), counts{duplicates: 4}, true},
		"swapped two":        {append([][]byte{all[1], all[3], all[2]}, all[4:9]...), counts{disorder: 1}, false},
		"altered one":        {append(append([][]byte{}, all[1:4]...), append([][]byte{altered}, all[5:9]...)...), counts{altered: 1, missing: 1}, false},
		"renumbered one":     {append(append([][]byte{}, all[1:4]...), append([][]byte{rekeyed}, all[5:9]...)...), counts{altered: 1, missing: 1}, false},
		"more than was ackd": {all[1:], counts{extra: 2}, true},
		"foreign":            {append([][]byte{[]byte("hello")}, all[1:9]...), counts{foreign: 1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			checker := fleet.NewChecker(readOracle(t, oracleOf(t, probe.String()+" 1 5 1700000001000", probe.String()+" 6 8 1700000006000")))
			for _, data := range c.read {
				checker.Add(probe.String(), data, time.Time{})
			}
			r := checker.Report()
			got := counts{r.Missing, r.Duplicates, r.Altered, r.Disorder, r.Extra, r.Foreign}
			if got != c.want || r.OK() != c.ok || r.Acked != 8 {
				t.Errorf("found %+v, want %+v; ok %v", r, c.want, r.OK())
			}
		})
	}
}

func TestVerifyReadsBothForms(t *testing.T) {
	all := payloads(t, 3)
	encode := base64.StdEncoding.EncodeToString
	input := strings.Join([]string{
		`{"key":"temp-00003","data":"` + encode(all[1]) + `","sequenceNumber":"4957","shard":"shardId-000000000000","arrived":"2023-11-14T22:13:21.25Z"}`,
		``,
		`{"PartitionKey":"temp-00003","Data":"` + encode(all[2]) + `","ApproximateArrivalTimestamp":1700000002.5}`,
		`{"key":"other","data":"` + encode(all[3]) + `","arrived":null}`,
	}, "\n")
	checker := fleet.NewChecker(readOracle(t, oracleOf(t, probe.String()+" 1 1 1700000001000", probe.String()+" 2 3 1700000002000")))
	if err := fleet.Verify(strings.NewReader(input), checker); err != nil {
		t.Fatal(err)
	}
	r := checker.Report()
	if !r.OK() || r.Records != 3 || r.OtherKey != 1 || r.LatencyOf != 2 || r.LatencyMedian < 200*time.Millisecond || r.Latency99 > 600*time.Millisecond {
		t.Errorf("%+v", r)
	}
	for _, bad := range []string{`{`, `{"key":"a"}`, `{"data":"***"}`, `{"data":"","arrived":"soon"}`, `[]`} {
		if err := fleet.Verify(strings.NewReader(bad), checker); err == nil {
			t.Errorf("%s is taken for a record", bad)
		}
	}
}

func TestReadOracle(t *testing.T) {
	good, err := os.ReadFile(oracleOf(t, "temp-00003 1 5 17", "gps-00004 1 1 18", "temp-00003 7 7 19"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		harm func([]byte) []byte
		len  uint64
		err  error
	}{
		"whole":           {func(b []byte) []byte { return b }, 7, nil},
		"torn tail":       {func(b []byte) []byte { return b[:len(b)-4] }, 6, nil},
		"torn tail ended": {func(b []byte) []byte { return append(b[:len(b)-4], '\n') }, 6, nil},
		"zeros behind":    {func(b []byte) []byte { return append(b, make([]byte, 600)...) }, 7, nil},
		"broken inside":   {func(b []byte) []byte { b[bytes.Index(b, []byte("gps"))] = 'x'; return b }, 0, fleet.ErrOracle},
		"no oracle":       {func([]byte) []byte { return []byte("hello\n") }, 0, fleet.ErrOracle},
		"empty":           {func([]byte) []byte { return nil }, 0, fleet.ErrOracle},
		"other headline":  {func([]byte) []byte { return []byte(line("temp-00003 1 5 17")) }, 0, fleet.ErrOracle},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "acked")
			if err := os.WriteFile(path, c.harm(bytes.Clone(good)), 0o600); err != nil {
				t.Fatal(err)
			}
			acked, err := fleet.ReadOracle(path)
			if !errors.Is(err, c.err) || err == nil && (acked.Len() != c.len || acked.World != world) {
				t.Errorf("%+v, %v", acked, err)
			}
		})
	}
}

// What was published with QoS 2 is there once, what was with QoS 1 may be twice.
func TestDuplicatesAreToldApart(t *testing.T) {
	all := payloads(t, 2)
	for qos, fault := range map[string]uint64{"": 0, " 1": 0, " 2": 1} {
		c := fleet.NewChecker(readOracle(t, oracleOf(t, probe.String()+" 1 2 1700000001000"+qos)))
		for _, n := range []int{1, 2, 2} {
			c.Add("", all[n], time.Time{})
		}
		if r := c.Report(); r.Duplicates != 1 || r.DuplicatesQoS2 != fault || r.OK() != (fault == 0) {
			t.Errorf("QoS%s: %+v", qos, r)
		}
	}
}

func TestRuns(t *testing.T) {
	var r fleet.Runs
	plain := map[uint64]bool{}
	for i := range uint64(2000) {
		n := i * i * 7919 % 997 // any order, with repeats
		if r.Add(n) == plain[n] {
			t.Fatalf("Add(%d) is wrong about having it", n)
		}
		plain[n] = true
	}
	var every fleet.Runs
	for n := range uint64(997) {
		every.Add(n)
		if r.Has(n) != plain[n] {
			t.Fatalf("Has(%d) is not %v", n, plain[n])
		}
	}
	count, some := every.Without(&r, 5)
	if r.Len() != uint64(len(plain)) || count != 997-r.Len() || len(some) != 5 || r.Has(some[0]) {
		t.Errorf("%d numbers, %d without, %v", r.Len(), count, some)
	}
	if count, _ := r.Without(&every, 5); count != 0 {
		t.Errorf("%d numbers outside of all", count)
	}
}

func FuzzVerify(f *testing.F) {
	all := payloads(f, 1)
	f.Add(`{"key":"temp-00003","data":"` + base64.StdEncoding.EncodeToString(all[1]) + `","arrived":17}`)
	acked := readOracle(f, oracleOf(f, probe.String()+" 1 1 1700000001000"))
	f.Fuzz(func(t *testing.T, text string) {
		checker := fleet.NewChecker(acked)
		if err := fleet.Verify(strings.NewReader(text), checker); err == nil && checker.Report().Acked != 1 {
			t.Fatal("the oracle changed")
		}
	})
}
