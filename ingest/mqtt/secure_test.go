package mqtt_test

import (
	"fmt"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/mqtt"
)

// TestAnotherGatewayGoesOn: a gateway says nothing any more, at each point of a
// message of QoS 2, and the device comes to another: it is sent the message
// under the same id, and PUBREL once it has it, and so has it once.
func TestAnotherGatewayGoesOn(t *testing.T) {
	for _, version := range []byte{4, 5} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			r := start(t, nil)
			next := uint64(1)
			move := func() *raw { // the gateway before is not stopped: whatever it would still keep, it does not
				next++
				r.serve(t, func(_ *rig, c *mqtt.Config) { c.Gateway = next })
				c, ack := r.login(t, version, "dev", lasting)
				if !ack.SessionPresent {
					t.Error("the session is forgotten")
				}
				return c
			}
			c, _ := r.login(t, version, "dev", lasting)
			c.subscribed(2, "cmd")
			sender, _ := r.login(t, 4, "sender", nil)
			for i, text := range []string{"one", "two"} {
				sender.send(publish(uint16(1+i), 2, "cmd", text))
				sender.want(packets.Pubrec, uint16(1+i), 0)
			}
			one, two := c.hears("one", false), c.hears("two", false)
			c = move()
			if again := c.hears("one", true); again != one {
				t.Errorf("sent again under %d, it was %d", again, one)
			}
			if again := c.hears("two", true); again != two {
				t.Errorf("sent again under %d, it was %d", again, two)
			}
			c.send(answer(packets.Pubrec, one))
			c.want(packets.Pubrel, one, 0)
			c.send(answer(packets.Pubcomp, one))
			c.send(answer(packets.Pubrec, two))
			c.want(packets.Pubrel, two, 0)
			c = move()
			c.want(packets.Pubrel, two, 0)
			c.send(answer(packets.Pubcomp, two))
			c.silent()
		})
	}
}
