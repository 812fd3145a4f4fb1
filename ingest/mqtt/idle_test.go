//go:build !race

package mqtt_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/mqtt"
)

func TestIdleClientIsSmall(t *testing.T) {
	// Alone it is 7.5 KB; after other tests the runtime begins stacks larger.
	const clients, most = 1000, 14 << 10
	r := start(t, func(_ *rig, c *mqtt.Config) { c.Log = nil })
	used := func() uint64 {
		runtime.GC()
		runtime.GC() // what the first one only set free of pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := used()
	var all []*raw
	for i := range clients {
		c := r.dial(t, 4)
		c.connect(fmt.Sprint("dev", i), nil)
		c.send(publish(1, 1, "a/b", "x"))
		c.want(packets.Puback, 1, 0)
		c.in = nil // the client's own share
		all = append(all, c)
	}
	eventually(t, "all is answered", func() bool { return r.Stats().Pending == 0 })
	each := (used() - before) / clients
	t.Logf("%d bytes for each of %d clients", each, clients)
	if each > most {
		t.Errorf("%d bytes a client, %d are allowed", each, most)
	}
	runtime.KeepAlive(all)
	if age := r.Stats().OldestUnanswered; age > time.Second {
		t.Errorf("oldest %v", age)
	}
}
