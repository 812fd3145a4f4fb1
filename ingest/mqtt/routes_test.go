package mqtt_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

// templated has streams by site, and topics that are recorded only.
func templated(t testing.TB) func(*rig, *mqtt.Config) {
	return func(r *rig, c *mqtt.Config) {
		table, err := ingest.Table{
			Catalog: r.log, Create: ingest.Create{Allow: []string{"site-*"}, Most: 4},
			Routes: []ingest.Route{
				{Filter: "site/+/raw", Stream: "raw", Key: "{user.unit|default:none}-{qos}", RecordOnly: true},
				{Filter: "site/#", Stream: "site-{topic.2|lower}", Key: "{json.pump}", Shards: 2},
			},
		}.Compile()
		if err != nil {
			t.Fatal(err)
		}
		c.Routes = table
	}
}

// TestTemplatesLeadToStreams: streams are made as messages need them, within
// bounds, and subscribers hear of what lies there.
func TestTemplatesLeadToStreams(t *testing.T) {
	r := start(t, templated(t))
	ear, _ := r.login(t, 5, "ear", lasting)
	ear.subscribed(1, "site/#")
	dev, _ := r.login(t, 5, "dev", nil)
	for i, topic := range []string{"site/A/x", "site/b/x", "site/a/x"} {
		dev.send(publish(uint16(i+1), byte(1+i%2), topic, fmt.Sprintf(`{"pump":%d}`, i)))
		kind := byte(packets.Puback)
		if i%2 == 1 {
			kind = packets.Pubrec
		}
		dev.want(kind, uint16(i+1), 0)
		if got := ear.message(); got.TopicName != topic {
			t.Errorf("heard %s, want %s", got.TopicName, topic)
		}
	}
	if s, ok := r.log.Stream("site-a"); !ok || len(s.Shards) != 2 {
		t.Errorf("site-a: %+v, %v", s, ok)
	}
	if got := r.texts(t, "site-b"); !slices.Equal(got, []string{`{"pump":1}`}) {
		t.Errorf("site-b has %q", got)
	}
	keys := []string{}
	for _, rec := range r.records(t, "site-a") {
		keys = append(keys, rec.Key)
	}
	if slices.Sort(keys); !slices.Equal(keys, []string{"0", "2"}) {
		t.Errorf("keys %q", keys)
	}
	r.gone(t, ear)
	for i := range 20 { // more sites than may be
		dev.send(publish(uint16(i+10), 1, fmt.Sprintf("site/m%d/x", i), "x"))
		dev.want(packets.Puback, uint16(i+10), 0)
	}
	if n := len(r.log.Streams()); n != 4+2 {
		t.Errorf("%d streams", n)
	}
	if got := r.texts(t, "telemetry"); len(got) != 18 {
		t.Errorf("%d messages are in the default stream, want 18", len(got))
	}
	// Another server over the same log, as after a restart: it knows no stream
	// by heart.
	r.stop()
	r.serve(t, templated(t))
	ear, _ = r.login(t, 5, "ear", lasting)
	heard := map[string]bool{}
	for len(heard) < 20+1 { // the last one before was not answered
		pk := ear.message()
		if pk.FixedHeader.Qos > 0 {
			ear.send(answer(packets.Puback, pk.PacketID))
		}
		heard[pk.TopicName] = true
	}
	dev, _ = r.login(t, 5, "dev", nil)
	dev.send(publish(1, 1, "site/m19/x", "again"))
	dev.want(packets.Puback, 1, 0)
	if n := len(r.log.Streams()); n != 4+2 {
		t.Errorf("%d streams after a restart", n)
	}
}

// TestManyBeginAStreamAtOnce: the first messages of one stream from many
// connections, and the end of the server while others begin.
func TestManyBeginAStreamAtOnce(t *testing.T) {
	r := start(t, templated(t))
	var devices sync.WaitGroup
	for i := range 8 {
		c, _ := r.login(t, 5, fmt.Sprint("dev", i), nil)
		devices.Go(func() {
			for n := range 20 {
				c.send(publish(uint16(n+1), 1, fmt.Sprintf("site/%d/x", n%4), "x"))
			}
			for n := range 20 {
				c.want(packets.Puback, uint16(n+1), 0)
			}
		})
	}
	devices.Wait()
	total := 0
	for i := range 4 {
		total += len(r.texts(t, shardlog.StreamName(fmt.Sprint("site-", i))))
	}
	if total != 160 {
		t.Errorf("%d records, want 160", total)
	}
}

// TestRecordOnly: what is only recorded is sent to nobody, retained or not,
// and no will either.
func TestRecordOnly(t *testing.T) {
	r := start(t, templated(t))
	ear, _ := r.login(t, 5, "ear", nil)
	ear.subscribed(1, "site/#")
	dev, _ := r.login(t, 5, "dev", func(pk *packets.Packet) {
		pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, "site/1/raw", []byte("will")
	})
	pk := publish(1, 1, "site/1/raw", "raw")
	pk.FixedHeader.Retain = true
	pk.Properties.User = []packets.UserProperty{{Key: "unit", Val: "7"}}
	dev.send(pk)
	dev.want(packets.Puback, 1, 0)
	r.gone(t, dev)
	eventually(t, "the will is stored", func() bool { return len(r.records(t, "raw")) == 2 })
	for _, rec := range r.records(t, "raw") {
		m, err := mqtt.DecodeMeta(rec.Meta)
		want := "7-1"
		if m.Will {
			want = "none-0"
		}
		if err != nil || !m.RecordOnly || rec.Key != want || m.Client != "dev" {
			t.Errorf("%s: key %s, %+v, %v", rec.Data, rec.Key, m, err)
		}
	}
	other, _ := r.login(t, 5, "other", nil)
	other.send(publish(1, 1, "site/1/x", "x"))
	other.want(packets.Puback, 1, 0)
	ear.hears("x", false)
	late, _ := r.login(t, 5, "late", nil)
	late.subscribed(1, "site/1/raw")
	late.subscribed(1, "site/1/x")
	other.send(publish(2, 1, "site/1/x", "y"))
	late.hears("y", false)
}
