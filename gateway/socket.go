package gateway

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

const (
	socketFile = "admin.sock"
	maxSocket  = 100 // bytes of a socket's name; the kernel takes 107
)

// socketName is a name of the data folder's socket that the kernel takes: a
// long one goes by way of the folder's descriptor. Call release after use.
func socketName(data string) (name string, release func(), err error) {
	name = filepath.Join(data, socketFile)
	if len(name) <= maxSocket {
		return name, func() {}, nil
	}
	folder, err := os.Open(data)
	if err != nil {
		return "", nil, err
	}
	short := filepath.Join("/proc/self/fd", strconv.Itoa(int(folder.Fd())), socketFile)
	return short, func() { _ = folder.Close() }, nil // it was only read
}

// dialSocket connects to the gateway that runs on a data folder.
func dialSocket(ctx context.Context, data string) (net.Conn, error) {
	name, release, err := socketName(data)
	if err != nil {
		return nil, err
	}
	defer release()
	var d net.Dialer
	return d.DialContext(ctx, "unix", name)
}
