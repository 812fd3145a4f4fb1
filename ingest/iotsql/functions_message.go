package iotsql

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
)

// messageFunctions are those that tell of the message.
func messageFunctions() map[string]function {
	return map[string]function{
		"topic": {0, 1, topic},
		"clientid": {0, 0, func(r *run, _ []value) value {
			if r.message.Client == "" {
				return textOf("n/a")
			}
			return textOf(r.message.Client)
		}},
		"timestamp":           {0, 0, func(r *run, _ []value) value { return intOf(r.message.Arrived.UnixMilli()) }},
		"newuuid":             {0, 0, func(*run, []value) value { return textOf(newUUID()) }},
		"traceid":             {0, 0, func(r *run, _ []value) value { return textOf(r.traceID()) }},
		"rand":                {0, 0, func(*run, []value) value { return doubleOf(mathrand.Float64()) }},
		"sql_version":         {0, 0, func(*run, []value) value { return textOf("2016-03-23") }},
		"get_mqtt_property":   {1, 1, mqttProperty},
		"get_user_properties": {0, 1, userProperties},
	}
}

// topic is the message's topic, or its nth level from 1.
func topic(r *run, a []value) value {
	if len(a) == 0 {
		return textOf(r.message.Topic)
	}
	d, ok := a[0].decimal()
	if !ok {
		return value{}
	}
	left, more := r.message.Topic, true
	n := d.clamp(0, len(left)+2)
	if n == 0 {
		return value{}
	}
	level := ""
	for range n {
		if !more {
			return value{}
		}
		level, left, more = strings.Cut(left, "/")
	}
	return textOf(level)
}

// uuid writes sixteen bytes as a UUID of a version.
func uuid(b [16]byte, version byte) string {
	b[6], b[8] = b[6]&0x0f|version<<4, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return uuid(b, 4)
}

// traceID is the same for one message whenever, and in whichever rule, it is
// asked for.
func (r *run) traceID() string {
	h := hashes("sha256")()
	for _, s := range []string{r.message.Topic, r.message.Client, string(r.message.Payload)} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(s)))
		_, _ = h.Write([]byte(s)) // a hash takes everything
	}
	_ = binary.Write(h, binary.BigEndian, r.message.Arrived.UnixNano())
	r.spend(len(r.message.Payload))
	return uuid([16]byte(h.Sum(nil)[:16]), 8)
}

// mqttProperty is a header of MQTT 5.
func mqttProperty(r *run, a []value) value {
	found := ""
	switch a[0].text {
	case "content_type":
		found = r.message.ContentType
	case "response_topic":
		found = r.message.ResponseTopic
	case "correlation_data":
		found = base64.StdEncoding.EncodeToString(r.message.Correlation)
	case "format_indicator":
		if found = "UNSPECIFIED_BYTES"; r.message.Text {
			found = "UTF8_DATA"
		}
	}
	if found == "" {
		return value{}
	}
	return textOf(found)
}

// userProperties are the user properties: of a name, or all as objects.
func userProperties(r *run, a []value) value {
	out := value{sort: array}
	for _, p := range r.message.User {
		switch {
		case len(a) == 0:
			out.items = append(out.items, value{sort: object, fields: []field{{p.Name, textOf(p.Value)}}})
		case a[0].sort == str && a[0].text == p.Name:
			out.items = append(out.items, textOf(p.Value))
		}
	}
	switch {
	case len(a) == 0:
		return out
	case len(out.items) == 0:
		return value{}
	case len(out.items) == 1:
		return out.items[0]
	}
	return out
}
