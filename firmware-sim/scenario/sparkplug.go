package scenario

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"time"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/packet"
)

// Sparkplug is edge nodes of Sparkplug B: NBIRTH with names and aliases, NDATA
// by aliases, NDEATH as last will, and a rebirth when one is asked for.
type Sparkplug struct {
	Group    string      `yaml:"group"` // default plant
	Nodes    int         `yaml:"nodes"`
	Kind     device.Kind `yaml:"kind"` // what they measure; default temp
	Rate     float64     `yaml:"rate"` // NDATA a second of each; zero: as fast as they are acknowledged
	Messages uint64      `yaml:"messages"`
}

// Data types and field numbers of sparkplug_b.proto.
const (
	typeUInt64  = 8
	typeDouble  = 10
	typeBoolean = 11

	payloadTime    = 1
	payloadMetrics = 2
	payloadSeq     = 3

	metricName    = 1
	metricAlias   = 2
	metricTime    = 3
	metricType    = 4
	metricLong    = 11
	metricDouble  = 13
	metricBoolean = 14
)

const (
	bdSeqName   = "bdSeq"
	rebirthName = "Node Control/Rebirth"
)

func (s *Sparkplug) play(ctx context.Context, at Setting, c *counts) error {
	group, kind := s.Group, s.Kind
	if group == "" {
		group = "plant"
	}
	if kind == "" {
		kind = device.Temperature
	}
	errs := make([]error, s.Nodes)
	var all sync.WaitGroup
	for i := range s.Nodes {
		d, err := at.World.Device(device.ID{Kind: kind, Number: uint32(i)})
		if err != nil {
			return err
		}
		n := &node{device: d, group: group, story: s, counts: c, next: 1}
		all.Go(func() { errs[i] = at.stay(ctx, d.ID, n.who, n.serve) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// node is one edge node. It belongs to the goroutine that plays it.
type node struct {
	device *device.Device
	group  string
	story  *Sparkplug
	counts *counts
	bdSeq  uint64 // of the connection, 0 to 255
	seq    uint64 // of the next message, 0 to 255
	next   uint64 // NDATA
}

func (n *node) topic(kind string) string {
	return "spBv1.0/" + n.group + "/" + kind + "/" + n.device.ID.String()
}

// who is the next connection: its death has the bdSeq of its birth.
func (n *node) who() packet.Connect {
	n.bdSeq = (n.bdSeq + 1) % 256
	return packet.Connect{ClientID: n.device.ID.String(), Clean: true, Will: &packet.Message{Topic: n.topic("NDEATH"), QoS: 1, Payload: n.death()}}
}

func (n *node) death() []byte {
	return appendMessage(nil, payloadMetrics, metric{name: bdSeqName, kind: typeUInt64, long: n.bdSeq}.append(nil))
}

func (n *node) serve(ctx context.Context, c *packet.Conn) error {
	n.counts.connected()
	if err := c.Subscribe(ctx, n.topic("NCMD")); err != nil {
		return err
	}
	if err := n.birth(ctx, c); err != nil {
		return err
	}
	for n.next <= n.story.Messages {
		wait, stop := context.WithTimeout(ctx, every(n.story.Rate)+time.Millisecond)
		_, err := c.Next(wait) // a command: there is one, rebirth
		late := wait.Err() != nil
		stop()
		switch {
		case err == nil:
			if err := n.birth(ctx, c); err != nil {
				return err
			}
			continue
		case !late || ctx.Err() != nil:
			return err
		}
		payload, err := n.data(n.next)
		if err != nil {
			return err
		}
		if err := c.Publish(ctx, packet.Message{Topic: n.topic("NDATA"), QoS: 1, Payload: payload}); err != nil {
			return err
		}
		n.counts.acked()
		n.next++
	}
	return c.Publish(ctx, packet.Message{Topic: n.topic("NDEATH"), QoS: 1, Payload: n.death()}) // a goodbye sends no will
}

// birth says which metrics there are, by name and alias.
func (n *node) birth(ctx context.Context, c *packet.Conn) error {
	n.seq = 0
	stamp, all, err := sample(n.device, n.next)
	if err != nil {
		return err
	}
	b := appendNumber(nil, payloadTime, uint64(stamp))
	b = appendMessage(b, payloadMetrics, metric{name: bdSeqName, stamp: stamp, kind: typeUInt64, long: n.bdSeq}.append(nil))
	b = appendMessage(b, payloadMetrics, metric{name: rebirthName, stamp: stamp, kind: typeBoolean}.append(nil))
	for i, r := range all {
		b = appendMessage(b, payloadMetrics, metric{name: r.Name, alias: uint64(i + 1), stamp: stamp, kind: typeDouble, double: r.Value}.append(nil))
	}
	b = appendNumber(b, payloadSeq, n.seq)
	if err := c.Publish(ctx, packet.Message{Topic: n.topic("NBIRTH"), QoS: 0, Payload: b}); err != nil {
		return fmt.Errorf("birth: %w", err)
	}
	return nil
}

// data is NDATA: values by alias.
func (n *node) data(number uint64) ([]byte, error) {
	stamp, all, err := sample(n.device, number)
	if err != nil {
		return nil, err
	}
	n.seq = (n.seq + 1) % 256
	b := appendNumber(nil, payloadTime, uint64(stamp))
	for i, r := range all {
		b = appendMessage(b, payloadMetrics, metric{alias: uint64(i + 1), stamp: stamp, kind: typeDouble, double: r.Value}.append(nil))
	}
	return appendNumber(b, payloadSeq, n.seq), nil
}

// metric is one metric; the zero values of name, alias and stamp are not written.
type metric struct {
	name   string
	alias  uint64
	stamp  int64
	kind   uint64
	long   uint64
	double float64
}

func (m metric) append(b []byte) []byte {
	if m.name != "" {
		b = appendMessage(b, metricName, []byte(m.name))
	}
	if m.alias != 0 {
		b = appendNumber(b, metricAlias, m.alias)
	}
	if m.stamp != 0 {
		b = appendNumber(b, metricTime, uint64(m.stamp))
	}
	b = appendNumber(b, metricType, m.kind)
	switch m.kind {
	case typeUInt64:
		return appendNumber(b, metricLong, m.long)
	case typeBoolean:
		return appendNumber(b, metricBoolean, 0)
	}
	b = binary.AppendUvarint(b, metricDouble<<3|1)
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(m.double))
}

// appendNumber appends a varint field of protobuf.
func appendNumber(b []byte, field, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, field<<3), v)
}

// appendMessage appends a length-delimited field of protobuf.
func appendMessage(b []byte, field uint64, data []byte) []byte {
	b = binary.AppendUvarint(b, field<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}
