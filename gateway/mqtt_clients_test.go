package gateway_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"headgate/gateway"
	"headgate/gateway/devices"
)

// walker is a client of others that takes the walk of deploy/peers/mqtt/README.md.
type walker struct {
	name    string
	command func(t *testing.T, args ...string) *exec.Cmd
	url     map[string]string // its words for the doors
}

// walkers are the clients that are programs. Each is called with URL, version
// (4 or 5), id, CA and password.
func walkers() []walker {
	program := func(interpreter, name string) func(t *testing.T, args ...string) *exec.Cmd {
		return func(t *testing.T, args ...string) *exec.Cmd {
			path := peer(t, "deploy/peers/mqtt/README.md", "mqtt", name)
			if interpreter == "" {
				return exec.CommandContext(t.Context(), path, args...)
			}
			return exec.CommandContext(t.Context(), interpreter, append([]string{path}, args...)...)
		}
	}
	usual := map[string]string{"tcp": "mqtt://", "tls": "mqtts://"}
	return []walker{
		{"mqtt.js", program("node", "walk.js"), map[string]string{"tcp": "mqtt://", "tls": "mqtts://", "ws": "ws://", "wss": "wss://"}},
		{"paho.py", program("/usr/bin/python3", "walk.py"), usual},
		{"paho.c", program("", "client"), map[string]string{"tcp": "tcp://", "tls": "ssl://", "ws": "ws://", "wss": "wss://"}},
		{"mosquitto", mosquittoWalk, usual},
	}
}

// TestClientsOfOthers: each publishes at QoS 0, 1 and 2 and is sent what it
// published, leaves, and gets what came meanwhile in its lasting session.
func TestClientsOfOthers(t *testing.T) {
	data := t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) {
		c.MQTTS, c.Console, c.HTTPS = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		c.Devices.Rules = []devices.Rule{{Publish: []string{"d/${clientid}/#"}, Subscribe: []string{"d/${clientid}/#"}}}
	})
	at := g.Addresses()
	doors := map[string]string{"tcp": at.MQTT, "tls": at.MQTTS, "ws": at.Console + "/mqtt", "wss": at.HTTPS + "/mqtt"}
	other := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + doors["tcp"]).SetClientID("other"))
	if token := other.Connect(); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		t.Fatal("connect", token.Error())
	}
	defer other.Disconnect(0)
	for _, w := range walkers() {
		for _, version := range []string{"4", "5"} {
			for door, address := range doors {
				if w.url[door] == "" {
					continue // it does not speak WebSocket, or not here
				}
				t.Run(w.name+"/"+version+"/"+door, func(t *testing.T) {
					id, ca, password := fmt.Sprint(w.name, version, door), "", ""
					if door == "tls" || door == "wss" {
						ca, password = gateway.AuthorityFile(data), newDevice(t, gateway.Dial(data), id)
					}
					w.walk(t, other, id, w.url[door]+address, version, ca, password)
				})
			}
		}
	}
}

// TestPagesSpeakMQTT: a page in Chromium publishes and subscribes, plain and by
// TLS with a device's password; a page of another site is kept out.
func TestPagesSpeakMQTT(t *testing.T) {
	data := t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) {
		c.Console, c.HTTPS = "127.0.0.1:0", "127.0.0.1:0"
		c.Devices.Rules = []devices.Rule{{Publish: []string{"d/${clientid}/#"}, Subscribe: []string{"d/${clientid}/#"}}}
	})
	library := peer(t, "deploy/peers/mqtt/README.md", "mqtt", "node_modules/mqtt/dist/mqtt.min.js")
	for base, password := range map[string]string{"http://" + g.Addresses().Console: "", "https://" + g.Addresses().HTTPS: newDevice(t, gateway.Dial(data), "page")} {
		var told struct {
			Four     []string `json:"4"`
			Five     []string `json:"5"`
			Stranger string   `json:"stranger"`
		}
		browse(t, &told, "mqtt/page.mjs", base, library, "page", password)
		want := []string{"d/page/page/0 5", "d/page/page/1 5", "d/page/page/2 5", "d/page/page/large 200000"}
		slices.Sort(told.Four)
		slices.Sort(told.Five)
		if !slices.Equal(told.Four, want) || !slices.Equal(told.Five, want) || told.Stranger != "refused" {
			t.Errorf("%s: %+v", base, told)
		}
	}
}

func newDevice(t *testing.T, c *gateway.Client, id string) (password string) {
	t.Helper()
	if _, err := c.CreateDevice(t.Context(), gateway.DeviceOrder{ID: id}); err != nil {
		t.Fatal(err)
	}
	secret, err := c.RotateDevice(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return secret.Password
}

func (w walker) walk(t *testing.T, other paho.Client, id, url, version, ca, password string) {
	cmd := w.command(t, url, version, id, ca, password)
	var wrong bytes.Buffer
	cmd.Stderr = &wrong
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if lines.Scan(); lines.Text() == "away" {
		for qos := range byte(3) {
			if token := other.Publish(fmt.Sprintf("d/%s/walk/late", id), qos, false, fmt.Sprint("late ", qos)); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
				t.Fatal("publish", token.Error())
			}
		}
		fmt.Fprintln(in, "go on")
		lines.Scan()
	}
	if err := cmd.Wait(); err != nil || lines.Text() != "done" {
		t.Errorf("%v after %q: %s", err, lines.Text(), wrong.String())
	}
}

// mosquittoWalk is the walk in mosquitto's own clients.
func mosquittoWalk(t *testing.T, args ...string) *exec.Cmd {
	if _, err := exec.LookPath("mosquitto_sub"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return exec.CommandContext(t.Context(), "bash", append([]string{filepath.Join("..", "deploy", "peers", "mqtt", "walk.sh")}, args...)...)
}
