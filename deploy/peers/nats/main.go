// Command nats is a NATS server with its MQTT door and a JetStream that syncs
// every message to disk before it is acknowledged. It stands beside the
// gateway in benchmarks and knows nothing of it.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	folder := flag.String("data", "", "folder of the streams")
	listen := flag.String("mqtt", "127.0.0.1:1883", "address of the MQTT door")
	lazy := flag.Bool("lazy", false, "sync every two minutes, which is what NATS does unless told otherwise")
	flag.Parse()
	if err := run(*folder, *listen, *lazy); err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}

func run(folder, listen string, lazy bool) error {
	address, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return fmt.Errorf("read address: %w", err)
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "bench", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: folder, SyncAlways: !lazy, SyncInterval: 2 * time.Minute,
		MQTT: server.MQTTOpts{Host: address.IP.String(), Port: address.Port},
	})
	if err != nil {
		return fmt.Errorf("make server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return fmt.Errorf("the server did not become ready")
	}
	fmt.Println("ready")
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	<-end
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}
