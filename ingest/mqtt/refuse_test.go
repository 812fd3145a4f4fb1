package mqtt_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

func TestRefusals(t *testing.T) {
	user := func(pk packets.Packet, bytes int) packets.Packet {
		pk.Properties.User = []packets.UserProperty{{Key: "k", Val: strings.Repeat("v", bytes)}}
		return pk
	}
	cases := []struct {
		name   string
		pk     packets.Packet
		code   byte
		reason string
	}{
		{"own topics", publish(1, 1, "$SYS/broker/x", "x"), 0x87, "denied"},
		{"reserved topics", publish(1, 2, "$any", "x"), 0x87, "denied"},
		{"a refused route", publish(1, 1, "secret", "x"), 0x87, "denied"},
		{"a long topic", publish(1, 1, strings.Repeat("t", 513), "x"), 0x90, "topic"},
		{"a large payload", publish(1, 1, "a", strings.Repeat("x", shardlog.DefaultRecordBytes)), 0x99, "payload"},
		{"large properties", user(publish(1, 1, "a", "x"), 9000), 0x99, "payload"},
		{"a full disk", publish(1, 1, "full", "x"), 0x97, "full"},
		{"a full disk, QoS 2", publish(1, 2, "full", "x"), 0x97, "full"},
		{"our fault", publish(1, 1, "broken", "x"), 0x80, "internal"},
	}
	for _, c := range cases {
		for _, version := range []byte{4, 5} {
			if version == 4 && len(c.pk.Properties.User) > 0 {
				continue
			}
			r := start(t, func(r *rig, cfg *mqtt.Config) {
				cfg.Routes = routes(t, ingest.Route{Filter: "secret", Refuse: true})
				r.log.Fail = func(op string) error {
					switch {
					case op == "put" && c.reason == "full":
						return &shardlog.Error{Kind: shardlog.Full, Op: op}
					case op == "put" && c.reason == "internal":
						return errors.New("foreign")
					}
					return nil
				}
			})
			dev, _ := r.login(t, version, "dev", nil)
			quiet := publish(0, 0, c.pk.TopicName, string(c.pk.Payload))
			quiet.Properties = c.pk.Properties
			dev.send(quiet, c.pk)
			if version == 5 {
				kind := packets.Puback
				if c.pk.FixedHeader.Qos == 2 {
					kind = packets.Pubrec
				}
				dev.want(kind, 1, c.code)
				dev.silent()
			} else if dev.wantEnd() != 0 {
				t.Errorf("%s, v4: a DISCONNECT", c.name)
			}
			if n := r.Stats().Refused[c.reason]; n != 2 {
				t.Errorf("%s, v%d: refused %v", c.name, version, r.Stats().Refused)
			}
			if got := r.texts(t, "telemetry"); len(got) != 0 {
				t.Errorf("%s, v%d: stored %d records", c.name, version, len(got))
			}
		}
	}
}

func TestRefusalKeepsOrderForOldClients(t *testing.T) {
	// What comes behind a refused message on a connection that ends is not
	// stored, because the device will send it again behind the refused one.
	r := start(t, nil)
	hold := r.log.Hold()
	c, _ := r.login(t, 4, "dev", nil)
	c.send(publish(1, 1, "a", "1"))
	if err := hold.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	c.send(publish(2, 1, "$no", "2"), publish(3, 1, "a", "3"))
	eventually(t, "all are in", func() bool { return r.Stats().Received == 3 })
	hold.Release()
	c.want(packets.Puback, 1, 0)
	c.wantEnd()
	eventually(t, "nothing is open", func() bool { return r.Stats().Pending == 0 })
	if got := r.texts(t, "telemetry"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("records %q", got)
	}
}

func TestPacketOverTheLimit(t *testing.T) {
	for _, version := range []byte{4, 5} {
		r := start(t, func(_ *rig, c *mqtt.Config) { c.MaxPayload = 1000 })
		c, ack := r.login(t, version, "dev", nil)
		if version == 5 && ack.Properties.MaximumPacketSize != 1000+128<<10 {
			t.Errorf("announced %d bytes", ack.Properties.MaximumPacketSize)
		}
		c.send(publish(1, 1, "a", "x"))
		c.want(packets.Puback, 1, 0)
		if _, err := c.Write([]byte{0x32, 0xff, 0xff, 0xff, 0x7f}); err != nil { // 256 MiB are announced
			t.Fatal(err)
		}
		want := byte(0)
		if version == 5 {
			want = packets.ErrPacketTooLarge.Code
		}
		if code := c.wantEnd(); code != want {
			t.Errorf("v%d: disconnect %#x, want %#x", version, code, want)
		}
		eventually(t, "it is counted", func() bool { return r.Stats().Refused["too large"] == 1 })
	}
}

// malformed are packets that must end their connection, after CONNECT.
func malformed(version byte) map[string][]byte {
	all := map[string][]byte{
		"reserved type":            {0x00, 0x00},
		"PINGRESP":                 {0xd0, 0x00},
		"length of five bytes":     {0x30, 0xff, 0xff, 0xff, 0xff, 0x01},
		"topic beyond the end":     {0x30, 0x03, 0x00, 0x09, 'a'},
		"QoS 3":                    {0x36, 0x05, 0x00, 0x01, 'a', 0x00, 0x01},
		"QoS 1 without id":         {0x32, 0x05, 0x00, 0x01, 'a', 0x00, 0x00},
		"wildcard topic":           {0x30, 0x03, 0x00, 0x01, '#'},
		"topic that is no UTF-8":   {0x30, 0x04, 0x00, 0x02, 0xff, 0xfe},
		"SUBSCRIBE without filter": {0x82, 0x02, 0x00, 0x01},
		"SUBSCRIBE cut short":      {0x82, 0x03, 0x00, 0x01, 0x00},
		"second CONNECT":           {0x10, 0x0d, 0x00, 0x04, 'M', 'Q', 'T', 'T', version, 0x02, 0x00, 0x3c, 0x00, 0x00, 0x00},
	}
	if version == 5 {
		all["SUBSCRIBE that panics the library"] = []byte{0x82, 0x06, 0x00, 0x01, 0x00, 0x00, 0x01, 'a'}
		all["alias never set"] = []byte{0x30, 0x06, 0x00, 0x00, 0x03, 0x23, 0x00, 0x05}
		all["alias too high"] = []byte{0x30, 0x07, 0x00, 0x01, 'a', 0x03, 0x23, 0x01, 0x00}
	}
	return all
}

func TestMalformedPacketEndsItsConnectionOnly(t *testing.T) {
	for _, version := range []byte{4, 5} {
		r := start(t, nil)
		other, _ := r.login(t, 5, "other", nil)
		for name, bytes := range malformed(version) {
			c, _ := r.login(t, version, "dev", nil)
			before := r.Stats().Malformed
			if _, err := c.Write(bytes); err != nil {
				t.Fatal(err)
			}
			c.wantEnd()
			other.send(publish(1, 1, "a", "x"))
			other.want(packets.Puback, 1, 0)
			eventually(t, fmt.Sprintf("v%d: %s ends its session", version, name), func() bool {
				s := r.Stats()
				return s.Connections == 1 && s.Malformed == before+1
			})
		}
	}
}

func TestPayloadsStayOutOfTheLog(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "dev", nil)
	for _, bytes := range malformed(5) {
		d, _ := r.login(t, 5, "dev2", nil)
		d.send(publish(1, 1, "a", "innermost secret"))
		d.want(packets.Puback, 1, 0)
		if _, err := d.Write(bytes); err != nil {
			t.Fatal(err)
		}
		d.wantEnd()
	}
	bad := publish(1, 1, "a", "innermost secret")
	bad.Properties.SubscriptionIdentifier = []int{7}
	c.send(bad)
	c.wantEnd()
	eventually(t, "it is gone", func() bool { return r.Stats().Connections == 0 })
	if text := r.out.String(); bytes.Contains([]byte(text), []byte("innermost")) || text == "" {
		t.Errorf("the log: %s", text)
	}
}

func TestTooManySubscriptions(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "dev", nil)
	for i := range 256 {
		c.send(subscribe(uint16(i+1), 0, fmt.Sprint("a/", i)))
		c.want(packets.Suback, uint16(i+1), 0)
	}
	c.send(subscribe(999, 0, "b"))
	if code := c.wantEnd(); code != packets.ErrQuotaExceeded.Code {
		t.Errorf("disconnect %#x", code)
	}
}
