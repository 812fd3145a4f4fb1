package gateway

import (
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/store"
	"headgate/shardlog/streams"
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
