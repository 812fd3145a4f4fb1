package decode

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"headgate/shardlog"
)

// SparkplugTopic is a topic of Sparkplug B taken apart:
// spBv1.0/GROUP/TYPE/EDGE or spBv1.0/GROUP/TYPE/EDGE/DEVICE.
type SparkplugTopic struct {
	Group, Type, Edge string
	Device            string // empty: it is about the edge node itself
}

// ParseSparkplugTopic takes a topic apart; false: it is none of Sparkplug B's,
// as STATE is not, which belongs to no edge node. It allocates nothing.
func ParseSparkplugTopic(topic string) (t SparkplugTopic, ok bool) {
	rest, ok := strings.CutPrefix(topic, "spBv1.0/")
	if !ok {
		return t, false
	}
	t.Group, rest, _ = strings.Cut(rest, "/")
	t.Type, rest, ok = strings.Cut(rest, "/")
	var device bool
	t.Edge, t.Device, device = strings.Cut(rest, "/")
	switch t.Type {
	case "NBIRTH", "NDEATH", "NDATA", "NCMD":
		ok = ok && !device
	case "DBIRTH", "DDEATH", "DDATA", "DCMD":
		ok = ok && t.Device != "" && !strings.Contains(t.Device, "/")
	default:
		ok = false
	}
	return t, ok && t.Group != "" && t.Edge != ""
}

// Metric is one metric of a Sparkplug B payload.
type Metric struct {
	Name       string // empty: it goes by its alias alone
	Alias      uint64
	HasAlias   bool
	Timestamp  uint64 // milliseconds since 1970; zero: none
	Type       uint32 // of Sparkplug's data types; zero: as at its birth
	Historical bool   // is_historical: measured earlier, not news
	Transient  bool
	Value      Value // Null when is_null is set or there is none
}

// payload is what a Sparkplug B payload says of itself.
type payload struct {
	timestamp uint64
	seq       uint64
	hasSeq    bool
}

// Fields of org.eclipse.tahu.protobuf.Payload and of its Metric.
const (
	payloadTimestamp = 1
	payloadMetrics   = 2
	payloadSeq       = 3

	metricName       = 1
	metricAlias      = 2
	metricTimestamp  = 3
	metricType       = 4
	metricHistorical = 5
	metricTransient  = 6
	metricNull       = 7
	metricInt        = 10
	metricLong       = 11
	metricFloat      = 12
	metricDouble     = 13
	metricBoolean    = 14
	metricString     = 15
	metricBytes      = 16
	metricDataSet    = 17
	metricTemplate   = 18
)

// Sparkplug calls each with the metrics of a Sparkplug B payload, in order.
// Strings and bytes of a value are part of b. Kind Invalid: b is none, and
// some of its metrics may have been told already.
func Sparkplug(b []byte, each func(*Metric)) error {
	_, err := sparkplug(b, each)
	return err
}

// sparkplug reads a payload; each may be nil.
func sparkplug(b []byte, each func(*Metric)) (p payload, err error) {
	err = fields(b, func(num protowire.Number, f field) error {
		switch {
		case num == payloadTimestamp && f.typ == protowire.VarintType:
			p.timestamp = f.number
		case num == payloadSeq && f.typ == protowire.VarintType:
			p.seq, p.hasSeq = f.number, true
		case num == payloadMetrics && f.typ == protowire.BytesType:
			m := Metric{Value: Value{Kind: Null}}
			if err := m.read(f.inside); err != nil {
				return err
			}
			if each != nil {
				each(&m)
			}
		}
		return nil
	})
	return p, err
}

// field is one field as it is on the wire.
type field struct {
	typ    protowire.Type
	number uint64 // of varints and fixed ones
	inside []byte // of what has a length
}

// fields calls each with the fields of a message.
func fields(b []byte, each func(protowire.Number, field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return badSparkplug(n)
		}
		b = b[n:]
		f := field{typ: typ}
		switch typ {
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.number = uint64(v)
		case protowire.Fixed64Type:
			f.number, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			f.inside, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return badSparkplug(n)
		}
		b = b[n:]
		if err := each(num, f); err != nil {
			return err
		}
	}
	return nil
}

func badSparkplug(code int) error {
	return shardlog.Errorf(shardlog.Invalid, "read sparkplug", "%w", protowire.ParseError(code))
}

// read fills the metric in from its message. A field of an unexpected wire
// type counts as unknown, as it does for protobuf's own decoders.
func (m *Metric) read(b []byte) error {
	null := false
	err := fields(b, func(num protowire.Number, f field) error {
		switch f.typ {
		case protowire.VarintType:
			null = m.varint(num, f.number) || null
		case protowire.Fixed32Type:
			if num == metricFloat {
				m.Value = Value{Kind: Number, form: formFloat32, bits: f.number}
			}
		case protowire.Fixed64Type:
			if num == metricDouble {
				m.Value = Value{Kind: Number, form: formFloat, bits: f.number}
			}
		case protowire.BytesType:
			m.bytes(num, f.inside)
		}
		return nil
	})
	if null {
		m.Value = Value{Kind: Null}
	}
	m.sign()
	return err
}

// varint takes a field that is a varint; true: the metric is null.
func (m *Metric) varint(num protowire.Number, v uint64) (null bool) {
	switch num {
	case metricAlias:
		m.Alias, m.HasAlias = v, true
	case metricTimestamp:
		m.Timestamp = v
	case metricType:
		m.Type = uint32(v)
	case metricHistorical:
		m.Historical = v != 0
	case metricTransient:
		m.Transient = v != 0
	case metricNull:
		return v != 0
	case metricInt:
		m.Value = Value{Kind: Number, form: formUint, bits: uint64(uint32(v))}
	case metricLong:
		m.Value = Value{Kind: Number, form: formUint, bits: v}
	case metricBoolean:
		m.Value = Value{Kind: Bool}
		if v != 0 {
			m.Value.bits = 1
		}
	}
	return false
}

// bytes takes a field that has a length.
func (m *Metric) bytes(num protowire.Number, inside []byte) {
	switch num {
	case metricName:
		m.Name = string(inside)
	case metricString:
		m.Value = Value{Kind: String, text: inside}
	case metricBytes:
		m.Value = Value{Kind: Bytes, text: inside}
	case metricDataSet, metricTemplate:
		m.Value = Value{Kind: Tree, text: inside}
	}
}

// Sparkplug's data types whose values are signed (Sparkplug 3.0.0, 6.4.16).
const (
	typeInt8  = 1
	typeInt16 = 2
	typeInt32 = 3
	typeInt64 = 4
)

// sign makes signed what is sent as the two's complement of an unsigned
// number: some encoders send that of the type's own width, others that of 32
// bits. A metric that does not say its type stays as it is.
func (m *Metric) sign() {
	v := &m.Value
	if v.Kind != Number || v.form != formUint {
		return
	}
	n := int64(v.bits)
	switch m.Type {
	case typeInt8:
		n = int64(int8(n))
	case typeInt16:
		n = int64(int16(n))
	case typeInt32:
		n = int64(int32(n))
	case typeInt64:
	default:
		return
	}
	v.form, v.bits = formInt, uint64(n)
}
