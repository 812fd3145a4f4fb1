package gateway

import (
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/store"
	"headgate/shardlog/streams"
	"headgate/sync/peer"
)

// TestASpoolDoesNotFillTheVolume gives a spool less room than the log needs.
func TestASpoolDoesNotFillTheVolume(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	free := uint64(10 << 30)
	rows := spoolRows{s.Spool(), func() (shardlog.Usage, error) {
		return shardlog.Usage{Free: free, Volume: 100 << 30}, nil
	}, streams.Budget{}}
	if _, err := rows.Append([][]byte{[]byte("a")}); err != nil {
		t.Fatal(err)
	}
	free = 1 << 20
	if _, err := rows.Append([][]byte{[]byte("b")}); err == nil || shardlog.KindOf(err) != shardlog.Full {
		t.Fatalf("appended to a full volume: %v", err)
	}
	if st := rows.Stats(); st.Last != 1 {
		t.Fatalf("%+v", st)
	}
}

// TestTheWorstVoterBoundsTheSite compares disks of voters, learners and of who
// cannot be reached.
func TestTheWorstVoterBoundsTheSite(t *testing.T) {
	own := shardlog.Usage{Stored: 10, Free: 100, Volume: 1000}
	with := func(reachable, voter bool, stored, free, volume uint64) shardlog.Usage {
		return worst(own, []peer.Peer{{Reachable: reachable, Hello: peer.Hello{Voter: voter, Stored: stored, Free: free, Volume: volume}}})
	}
	if got := with(true, true, 12, 40, 500); got != (shardlog.Usage{Stored: 12, Free: 40, Volume: 500}) {
		t.Errorf("smaller voter: %+v", got)
	}
	for name, got := range map[string]shardlog.Usage{
		"larger voter": with(true, true, 9, 400, 5000), "learner": with(true, false, 12, 40, 500),
		"away": with(false, true, 12, 40, 500), "unknown disk": with(true, true, 12, 0, 0),
	} {
		if got != own {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
