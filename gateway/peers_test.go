package gateway_test

import (
	"os"
	"path/filepath"
	"testing"
)

// peer is a file of the test peers. Without it the test is skipped, or fails
// where CI has to have built it.
func peer(t *testing.T, page string, names ...string) string {
	t.Helper()
	dir := os.Getenv("HEADGATE_PEERS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(cache, "headgate", "peers")
	}
	path := filepath.Join(append([]string{dir}, names...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("a peer is not there: %v", err)
		}
		t.Skipf("%v; %s says how it is made", err, page)
	}
	return path
}
