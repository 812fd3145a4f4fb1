package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"headgate/deploy/bench/internal/child"
)

// server is who is called.
type server struct {
	name, address, key, secret string
	pid                        int
	streams                    map[string]bool // those that were made
	socket                     string          // of headgate's administrator
	stop                       func()
}

const (
	ours       = "headgate"
	theirs     = "kinesalite"
	theirsKept = "kinesalite-leveldb"
	mock       = "kinesis-mock"
)

var allServers = []string{ours, theirs, theirsKept, mock}

func start(s settings, name, folder string) (*server, error) {
	if name == ours {
		return startHeadgate(s, folder)
	}
	address, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	port := address[len("127.0.0.1:"):]
	to := &server{name: name, address: address, key: "AKIABENCH", secret: "bench", streams: map[string]bool{}}
	var p *child.Process
	switch name {
	case theirs:
		p, err = startNode("Listening", "kinesalite/node_modules/kinesalite/cli.js", "--port", port, "--shardLimit", "200", "--createStreamMs", "1")
	case theirsKept:
		p, err = startNode("Listening", "kinesalite/node_modules/kinesalite/cli.js", "--port", port, "--shardLimit", "200", "--createStreamMs", "1", "--path", folder)
	default:
		p, err = startMock(port)
	}
	if err != nil {
		return nil, err
	}
	to.pid, to.stop = p.Pid, p.Stop
	if err := child.Listening(address); err != nil {
		p.Stop()
		return nil, err
	}
	return to, nil
}

// startHeadgate runs the real process: fsync on, limits off.
func startHeadgate(s settings, folder string) (*server, error) {
	h, err := child.StartHeadgate(child.HeadgateConfig{Binary: s.headgate, Folder: folder, Shards: 1})
	if err != nil {
		return nil, err
	}
	return &server{name: ours, pid: h.Pid, address: h.API, key: h.KeyID, secret: h.Secret, stop: h.Stop,
		streams: map[string]bool{}, socket: filepath.Join(folder, "data", "admin.sock")}, nil
}

func startNode(ready, program string, args ...string) (*child.Process, error) {
	file := child.Peer(program)
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("find the peer (deploy/bench/kinesis/run fetches it): %w", err)
	}
	return child.Start(ready, "node", append([]string{file}, args...)...)
}

// startMock runs kinesis-mock, which is told by its environment.
func startMock(port string) (*child.Process, error) {
	other, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	folder := child.Peer("kinesis-mock/node_modules/kinesis-local")
	if _, err := os.Stat(folder); err != nil {
		return nil, fmt.Errorf("find the peer (deploy/bench/kinesis/run fetches it): %w", err)
	}
	return child.Start("", "env", "KINESIS_MOCK_PLAIN_PORT="+port, "KINESIS_MOCK_TLS_PORT="+other[len("127.0.0.1:"):],
		"KINESIS_MOCK_CERT_PATH="+filepath.Join(folder, "server.json"), "LOG_LEVEL=ERROR", "SHARD_LIMIT=200",
		"CREATE_STREAM_DURATION=1ms", "REGISTER_STREAM_CONSUMER_DURATION=1ms", "node", filepath.Join(folder, "main.js"))
}

// stream makes a stream of so many shards, once, and waits until it is there.
func (to *server) stream(name string, shards int) error {
	if to.streams[name] {
		return nil
	}
	if _, err := to.call("CreateStream", fmt.Sprintf(`{"StreamName":%q,"ShardCount":%d}`, name, shards)); err != nil {
		return err
	}
	to.streams[name] = true
	return patiently(func() (bool, error) {
		answer, err := to.call("DescribeStreamSummary", fmt.Sprintf(`{"StreamName":%q}`, name))
		return strings.Contains(answer, `"ACTIVE"`), err
	})
}

// patiently asks until the answer is yes.
func patiently(ask func() (bool, error)) error {
	const patience = 20 * time.Second
	for until := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		switch done, err := ask(); {
		case done && err == nil:
			return nil
		case time.Now().After(until) && err == nil:
			return fmt.Errorf("nothing came of it within %s", patience)
		case time.Now().After(until):
			return err
		}
	}
}
