package raftgroup_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"headgate/shardlog/store"
	"headgate/sync/raftgroup"
)

// victim is the environment of a child process: the folder, and the voters' addresses.
const (
	victimDir   = "HEADGATE_VICTIM_DIR"
	victimPeers = "HEADGATE_VICTIM_PEERS"
)

// kills is how often a process is killed; HEADGATE_KILLS asks for more.
func kills(t *testing.T) int {
	text := os.Getenv("HEADGATE_KILLS")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("HEADGATE_KILLS: %v", err)
	}
	return n
}

// site opens a store and a group for each voter, on the machine's disk.
func site(t *testing.T, dir string, addresses []string) (stores []*store.Store, groups []running) {
	t.Helper()
	var servers []raftgroup.Server
	for i, a := range addresses {
		servers = append(servers, raftgroup.Server{ID: fmt.Sprintf("g%d", i), Address: a})
	}
	for i, v := range servers {
		s, err := store.Open(filepath.Join(dir, v.ID), store.Options{Memtable: 1 << 20, Log: silent()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		c := raftgroup.Config{ID: v.ID, Machine: s, Journal: s.Journal(), Locals: s, Snapshots: s, Servers: servers, SnapshotBytes: 1 << 20, Log: silent()}
		if len(servers) > 1 {
			w := &wire{address: addresses[i], open: map[net.Conn]struct{}{}}
			c.Link, c.Heartbeat = w.link(t), 200*time.Millisecond
		}
		stores, groups = append(stores, s), append(groups, run(t, c))
	}
	return stores, groups
}

// leads waits for the voter that leads.
func leads(t *testing.T, groups []running) (i int) {
	t.Helper()
	eventually(t, func() bool {
		for n, g := range groups {
			if g.Leading() {
				i = n
				return true
			}
		}
		return false
	})
	return i
}

// TestVictim is the child: it writes until it is killed and prints what is acknowledged.
func TestVictim(t *testing.T) {
	dir := os.Getenv(victimDir)
	if dir == "" {
		t.Skip("only as a child of TestKilledProcessesLoseNothing")
	}
	stores, groups := site(t, dir, strings.Split(os.Getenv(victimPeers), ","))
	var l loaders
	go func() {
		for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
			fmt.Println("acked", l.seen())
		}
	}()
	for { // on a busy machine a leader may not be one for long
		i := leads(t, groups)
		l.prepare(t, groups[i].Group, stores[i])
		l.run(context.Background(), groups[i].Group, stores[i])
	}
}

func TestKilledProcessesLoseNothing(t *testing.T) {
	for _, voters := range []int{1, 3} {
		t.Run(fmt.Sprint(voters), func(t *testing.T) { killAgainAndAgain(t, voters) })
	}
}

func killAgainAndAgain(t *testing.T, voters int) {
	dir, addresses := t.TempDir(), freeAddresses(t, voters)
	var floor [load]uint64
	for round := range kills(t) {
		for i, seq := range victim(t, dir, addresses, round) {
			floor[i] = max(floor[i], seq)
		}
		t.Run(fmt.Sprintf("after kill %d", round), func(t *testing.T) {
			stores, groups := site(t, dir, addresses)
			lead := stores[leads(t, groups)]
			st, ok := lead.Stream("s")
			if !ok {
				t.Fatal("the stream is gone")
			}
			ends := check(t, lead, st.ID, floor)
			for i, s := range stores {
				eventually(t, func() bool { return s.Applied() >= lead.Applied() })
				if own := check(t, s, st.ID, floor); own != ends {
					t.Errorf("voter %d has %v, the leader %v", i, own, ends)
				}
			}
			floor = ends
		})
	}
	t.Logf("%v records", floor)
}

func freeAddresses(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all
}

// victim starts a child, kills it in the middle of its work and answers what
// it had acknowledged by then.
func victim(t *testing.T, dir string, addresses []string, round int) (acked [load]uint64) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	child.Env = append(os.Environ(), victimDir+"="+dir, victimPeers+"="+strings.Join(addresses, ","))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var death *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text, ok := strings.CutPrefix(lines.Text(), "acked [")
		if !ok {
			continue
		}
		for i, number := range strings.Fields(strings.TrimSuffix(text, "]")) {
			acked[i], _ = strconv.ParseUint(number, 10, 64)
		}
		if death == nil && acked != [load]uint64{} {
			death = time.AfterFunc(time.Duration(50+round*37%200)*time.Millisecond, func() { _ = child.Process.Kill() })
		}
	}
	_ = child.Wait()
	if death == nil {
		t.Fatal("the child wrote nothing")
	}
	return acked
}
