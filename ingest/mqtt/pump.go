package mqtt

import (
	"github.com/mochi-mqtt/server/v2/packets"
)

// maxComps is how many PUBCOMPs may wait for a device that does not read.
const maxComps = 64 << 10

// wake starts the connection's pump if there is something to answer and none
// runs. Acknowledgements go out in the order of the PUBLISHes, so only the
// settled messages at the head of the line count.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pumping || len(c.comps) == 0 && !c.headSettled() {
		return
	}
	c.pumping = true
	c.server.pumps.Go(c.pump)
}

// complete queues a PUBCOMP.
func (c *conn) complete(id uint16, code byte) {
	c.mu.Lock()
	c.comps = append(c.comps, comp{id, code})
	flood := len(c.comps) > maxComps
	c.mu.Unlock()
	c.server.open.Add(1)
	if flood {
		_ = c.Close()
	}
	c.wake()
}

// headSettled reports whether the first message is settled. The caller holds mu.
func (c *conn) headSettled() bool {
	if len(c.fifo) == 0 {
		return false
	}
	_, ok := c.fifo[0].verdict()
	return ok
}

// settled counts the settled messages at the head. The caller holds mu.
func (c *conn) settled() int {
	n := 0
	for n < len(c.fifo) {
		if _, ok := c.fifo[n].verdict(); !ok {
			break
		}
		n++
	}
	return n
}

// pump answers until nothing is left to answer.
func (c *conn) pump() {
	var batch []*message
	var comps []comp
	var buf []byte
	for {
		batch, comps = c.take(batch[:0], comps[:0])
		if len(batch) == 0 && len(comps) == 0 {
			return
		}
		buf = c.answer(buf[:0], batch, comps)
		c.server.open.Add(-int64(len(batch) + len(comps)))
		clear(batch)
	}
}

// take moves what can be answered out of the line; when there is nothing, the
// pump has ended.
func (c *conn) take(batch []*message, comps []comp) ([]*message, []comp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.settled()
	for _, m := range c.fifo[:n] {
		c.bytes -= m.size()
		c.server.waiting.Add(-int64(m.size()))
	}
	batch = append(batch, c.fifo[:n]...)
	clear(c.fifo[:n])
	if c.fifo = c.fifo[n:]; len(c.fifo) == 0 {
		c.fifo = nil
	}
	comps = append(comps, c.comps...)
	c.comps = nil
	if len(batch) == 0 && len(comps) == 0 {
		c.pumping = false
	} else if c.room != nil {
		select {
		case c.room <- struct{}{}:
		default:
		}
	}
	return batch, comps
}

// answer writes all acknowledgements in one write. MQTT 3.1.1 has no way to
// refuse a message: there the connection ends in front of the refused one.
func (c *conn) answer(buf []byte, batch []*message, comps []comp) []byte {
	if c.gone() {
		return buf
	}
	five := c.version() >= 5
	acked, end := 0, false
	for _, m := range batch {
		if m.qos == 0 {
			continue
		}
		v, _ := m.verdict()
		if v != stored && !five {
			end = true
			break
		}
		kind := packets.Puback
		if m.qos == 2 {
			kind = packets.Pubrec
		}
		buf = appendAck(buf, kind, m.id, byte(v), five)
		if v == stored {
			acked++
		}
	}
	for _, p := range comps {
		buf = appendAck(buf, packets.Pubcomp, p.id, p.code, five)
	}
	if len(buf) > 0 {
		if _, err := c.send(buf); err == nil {
			c.server.stats.acked.Add(uint64(acked))
		}
	}
	if end {
		_ = c.Close() // the device notices
	}
	return buf
}

// appendAck appends one PUBACK, PUBREC or PUBCOMP (MQTT 5.0, 3.4: without a
// reason code it means success, without a property length there are none).
func appendAck(b []byte, kind byte, id uint16, code byte, five bool) []byte {
	if five && code != 0 {
		return append(b, kind<<4, 3, byte(id>>8), byte(id), code)
	}
	return append(b, kind<<4, 2, byte(id>>8), byte(id))
}
