package fleet

import (
	"context"
	"net"
	"time"

	"headgate/firmware-sim/device"
)

// Dial opens the connection of one device to host:port. It may wrap it: in TLS,
// with the device's own certificate, or in faults.
type Dial func(ctx context.Context, id device.ID, address string) (net.Conn, error)

// Plain opens a TCP connection.
func Plain(ctx context.Context, _ device.ID, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 30 * time.Second, KeepAlive: -1}
	return dialer.DialContext(ctx, "tcp", address)
}
