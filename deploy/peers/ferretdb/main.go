// Command ferretdb is the MongoDB server of the tests: FerretDB embedded with
// its SQLite backend, because FerretDB's own command does not start when it is
// built as a dependency. It knows nothing of the gateway.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "address to listen on")
	ready := flag.String("ready", "", "address where HTTP is answered once the server is there")
	data := flag.String("data", "", "folder for the SQLite files, which must exist")
	flag.Parse()
	if err := serve(*listen, *ready, *data); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

func serve(listen, ready, data string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: listen},
		Handler:   "sqlite",
		SQLiteURL: "file:" + data + "/",
	})
	if err != nil {
		return err
	}
	if ready != "" {
		go announce(ctx, listen, ready)
	}
	return server.Run(ctx)
}

// announce answers HTTP once the server takes connections.
func announce(ctx context.Context, listen, ready string) {
	for ctx.Err() == nil {
		if c, err := net.Dial("tcp", listen); err == nil {
			c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	here := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if err := http.ListenAndServe(ready, here); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
	}
}
