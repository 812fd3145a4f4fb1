package mqtt

import (
	"bytes"
	"context"
	"slices"
	"time"

	"headgate/shardlog"
)

// What makes QoS 2 exactly once to the device, though a gateway dies: before a
// message goes out under its id, the session is kept with that id, so that
// whoever goes on sends it again under the same; and before PUBREL goes out,
// which lets the device forget the id, the session is kept with the device
// having it, so that it is never sent again. Both cost one write for all that
// goes out together.

// keep keeps how far the session is. Kinds as of downlink.Sessions; Moved, too,
// when the device has left this connection.
func (d *device) keep(ctx context.Context) error {
	d.keeping.Lock()
	defer d.keeping.Unlock()
	d.mu.Lock()
	ended := d.ended
	d.mu.Unlock()
	if ended {
		return shardlog.Errorf(shardlog.Moved, "keep session", "%q has left", d.client)
	}
	return d.conn.server.keep(ctx, d.session(false))
}

// secure keeps the session before what was made ready goes out, if that needs
// it. Without a quorum it waits for one: false means that the connection is over.
func (d *device) secure() bool {
	if !d.exact || d.expiry == 0 {
		return true
	}
	for tries := 0; ; tries++ {
		ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
		err := d.keep(ctx)
		cancel()
		if err == nil {
			return true
		}
		if shardlog.KindOf(err) == shardlog.Moved {
			_ = d.conn.Close() // the device is connected elsewhere by now
			return false
		}
		if tries == 0 {
			d.conn.server.cfg.Log.Warn("messages of QoS 2 wait until the session can be kept", "client", d.client, "error", err)
		}
		select {
		case <-time.After(secureAgain):
		case <-d.conn.closed:
			return false
		}
	}
}

// secureAgain is the pause between two tries to keep a session.
const secureAgain = 500 * time.Millisecond

// release has PUBREL sent for a message that the device has; false: no such id
// waits.
func (d *device) release(id uint16) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.out {
		if d.out[i].id == id {
			d.out[i].received = true
			if !slices.Contains(d.releases, id) {
				d.releases = append(d.releases, id)
			}
			return true
		}
	}
	return false
}

// sendReleases sends PUBREL in the order of the PUBRECs.
func (d *device) sendReleases(b *bytes.Buffer) int {
	d.mu.Lock()
	all := d.releases
	d.releases = nil
	d.mu.Unlock()
	for _, id := range all {
		d.exact = true
		d.pubrel(b, id, 0)
	}
	return len(all)
}
