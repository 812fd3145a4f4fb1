package gateway_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"headgate/gateway"
)

// jobDevice is a device with its jobs, on a real broker.
type jobDevice struct {
	t      *testing.T
	client paho.Client
	name   string
	got    chan paho.Message
}

// connectThing connects one, and subscribes to what services tell it.
func connectThing(t *testing.T, g *gateway.Gateway, name string) *jobDevice {
	t.Helper()
	d := &jobDevice{t: t, name: name, got: make(chan paho.Message, 1000)}
	d.client = paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + g.Addresses().MQTT).SetClientID(name).SetCleanSession(false).SetOrderMatters(true).SetAutoReconnect(false).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { d.got <- m }))
	d.settle(d.client.Connect())
	d.settle(d.client.SubscribeMultiple(map[string]byte{d.topic("jobs/#"): 1, d.topic("streams/#"): 0}, func(_ paho.Client, m paho.Message) { d.got <- m }))
	return d
}

func (d *jobDevice) topic(what string) string { return "$aws/things/" + d.name + "/" + what }

func (d *jobDevice) settle(token paho.Token) {
	d.t.Helper()
	if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		d.t.Fatalf("%s: %v", d.name, token.Error())
	}
}

func (d *jobDevice) send(what, payload string) {
	d.t.Helper()
	d.settle(d.client.Publish(d.topic(what), 1, false, payload))
}

// told waits for a message on one of its topics, and passes over others.
func (d *jobDevice) told(what string) []byte {
	d.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case m := <-d.got:
			if m.Topic() == d.topic(what) {
				return m.Payload()
			}
		case <-late:
			d.t.Fatalf("%s is told nothing on %s", d.name, what)
		}
	}
}

// download gets the job's file in blocks, by requests of its own.
func (d *jobDevice) download(job string, size, block int) []byte {
	d.t.Helper()
	image := make([]byte, size)
	for next := 0; next*block < size; {
		d.send("streams/"+job+"/get/json", fmt.Sprintf(`{"s":1,"f":0,"l":%d,"o":%d,"n":8}`, block, next))
		for range min(8, (size-next*block+block-1)/block, 128<<10/block) {
			var b struct {
				I int
				P []byte
			}
			if err := json.Unmarshal(d.told("streams/"+job+"/data/json"), &b); err != nil || b.I != next {
				d.t.Fatalf("block %d, want %d: %v", b.I, next, err)
			}
			copy(image[next*block:], b.P)
			next++
		}
	}
	return image
}

// A device that was away finds its update when it comes, gets the file and says
// so; with a real client, over the real log, and once more after a restart.
func TestDeviceIsUpdated(t *testing.T) {
	const size, block = 300<<10 + 77, 16 << 10
	image := make([]byte, size)
	rand.Read(image) // never fails
	hash := sha256.Sum256(image)
	data := filepath.Join(t.TempDir(), "data")
	g, stop := start(t, data, nil)
	d := connectThing(t, g, "press-7") // its session is there from now on
	d.client.Disconnect(0)

	ctx, c := context.Background(), gateway.Dial(data)
	f, err := c.PutJobFile(ctx, bytes.NewReader(image))
	if err != nil || f.SHA256 != hex.EncodeToString(hash[:]) || f.Size != size {
		t.Fatal(f, err)
	}
	o := gateway.JobOrder{}
	o.Name, o.Things, o.File, o.Timeout = "v7", []string{"press-7"}, f.SHA256, time.Hour
	if _, err := c.CreateJob(ctx, o); err != nil {
		t.Fatal(err)
	}
	until(t, 20*time.Second, "the job is queued", func() (string, bool) { return counted(c, "QUEUED") })

	d = connectThing(t, g, "press-7")
	var next struct {
		Execution struct {
			JobID string `json:"jobId"`
			Doc   struct {
				Stream string `json:"streamname"`
				Files  []struct {
					Size   int    `json:"filesize"`
					SHA256 string `json:"sha256"`
				}
			} `json:"jobDocument"`
			Version int `json:"versionNumber"`
		}
	}
	if err := json.Unmarshal(d.told("jobs/notify-next"), &next); err != nil || next.Execution.Doc.Stream != "v7" || next.Execution.Doc.Files[0].SHA256 != f.SHA256 {
		t.Fatalf("it is told of %+v, %v", next, err)
	}
	d.send("jobs/start-next", `{"statusDetails":{"step":"download"},"clientToken":"a"}`)
	if a := d.told("jobs/start-next/accepted"); !bytes.Contains(a, []byte(`"status":"IN_PROGRESS"`)) || !bytes.Contains(a, []byte(`"clientToken":"a"`)) {
		t.Errorf("started: %s", a)
	}
	before := g.Status()
	if !bytes.Equal(d.download("v7", size, block), image) {
		t.Error("the file came with other bytes")
	}
	if after := g.Status(); after.Log.Records != before.Log.Records {
		t.Errorf("%d records were stored for a download", after.Log.Records-before.Log.Records)
	}
	d.send("jobs/get", ``)
	if a := d.told("jobs/get/accepted"); !bytes.Contains(a, []byte(`"inProgressJobs":[{"jobId":"v7"`)) {
		t.Errorf("pending: %s", a)
	}
	d.send("jobs/v7/update", `{"status":"SUCCEEDED","expectedVersion":1}`)
	if a := d.told("jobs/v7/update/rejected"); !bytes.Contains(a, []byte(`"VersionMismatch"`)) {
		t.Errorf("refused: %s", a)
	}
	d.client.Disconnect(0)
	stop()

	g, _ = start(t, data, nil)
	d = connectThing(t, g, "press-7")
	d.send("streams/v7/get/cbor", "\xa3\x61f\x00\x61l\x19\x10\x00\x61n\x01")
	if a := d.told("streams/v7/data/cbor"); !bytes.Contains(a, image[:4096]) {
		t.Errorf("after a restart the first block has %d bytes", len(a))
	}
	d.send("jobs/v7/update", `{"status":"SUCCEEDED","expectedVersion":2}`)
	d.told("jobs/v7/update/accepted")
	until(t, 30*time.Second, "the job is complete", func() (string, bool) { return counted(c, "COMPLETED") })
	d.client.Disconnect(0)
}

// counted reports whether the job, or its one execution, is in a state.
func counted(c *gateway.Client, status string) (string, bool) {
	j, err := c.Job(context.Background(), "v7")
	text := fmt.Sprintf("%s %v %v", j.Status, j.Counts, err)
	return text, strings.Contains(text, status)
}
