package otlp

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"headgate/shardlog"
)

// protobuf is the binary encoding. It makes no tree: a message of two bytes
// costs a decoder that does a hundred.
type protobuf struct{}

func (protobuf) mediaType() string { return "application/x-protobuf" }

func (protobuf) check(of shape, b []byte) error {
	if err := checkMessage(of, b, 0); err != nil {
		return &shardlog.Error{Kind: shardlog.Invalid, Op: "decode protobuf", Err: err}
	}
	return nil
}

var (
	errDeep = fmt.Errorf("more than %d messages in one another", deepest)
	errUTF8 = errors.New("a string is not UTF-8")
)

// checkMessage checks a message and all in it. A field whose wire type is not
// that of its shape counts as unknown, as it does for protobuf's own decoders.
func checkMessage(of shape, b []byte, depth int) error {
	if depth > deepest {
		return errDeep
	}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			return protowire.ParseError(size)
		}
		value := b[n : n+size]
		b = b[n+size:]
		f, known := of.numbered(int32(num))
		if !known || typ != protowire.BytesType {
			continue
		}
		inside, _ := protowire.ConsumeBytes(value)
		if err := checkField(f.of&^repeated, inside, depth); err != nil {
			return err
		}
	}
	return nil
}

// checkField checks what has a length: messages, strings and packed numbers.
func checkField(of shape, b []byte, depth int) error {
	switch {
	case of.message():
		return checkMessage(of, b, depth+1)
	case of == text && !utf8.Valid(b):
		return errUTF8
	case (of == fixeds || of == decimals) && len(b)%8 != 0:
		return errors.New("packed numbers are cut short")
	case of == varints:
		for len(b) > 0 {
			_, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
		}
	}
	return nil
}

// walk calls f with every field of a message until it answers false: with the
// whole field and with the inside of one that has a length.
func walk(b []byte, f func(num int32, whole, inside []byte) bool) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			return
		}
		var inside []byte
		if typ == protowire.BytesType {
			inside, _ = protowire.ConsumeBytes(b[n : n+size])
			if inside == nil {
				inside = []byte{}
			}
		}
		if !f(int32(num), b[:n+size], inside) {
			return
		}
		b = b[n+size:]
	}
}

func (protobuf) each(of shape, b []byte, name string, f func([]byte) bool) {
	want, _ := of.named(name)
	walk(b, func(num int32, _, inside []byte) bool {
		return num != want.number || inside == nil || f(inside)
	})
}

func (protobuf) text(of shape, b []byte, name string) (s string, ok bool) {
	want, _ := of.named(name)
	walk(b, func(num int32, _, inside []byte) bool {
		if num == want.number && inside != nil {
			s, ok = string(inside), true
		}
		return true
	})
	return s, ok
}

func (protobuf) head(of shape, b []byte, name string) []byte {
	cut, _ := of.named(name)
	var head []byte
	walk(b, func(num int32, whole, inside []byte) bool {
		if num != cut.number || inside == nil {
			head = append(head, whole...)
		}
		return true
	})
	return head
}

func (protobuf) wrap(of shape, head []byte, name string, parts [][]byte) []byte {
	f, _ := of.named(name)
	size := len(head)
	for _, p := range parts {
		size += len(p) + 8
	}
	b := append(make([]byte, 0, size), head...)
	for _, p := range parts {
		b = appendBytes(b, protowire.Number(f.number), p)
	}
	return b
}

func appendBytes(b []byte, num protowire.Number, inside []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, inside)
}

// success is Export…ServiceResponse: partial_success = 1, of which the count is
// 1 and the message 2 (opentelemetry/proto/collector/*/v1).
func (protobuf) success(_ *signal, rejected int64, message string) []byte {
	if rejected == 0 && message == "" {
		return nil
	}
	var partial []byte
	if rejected != 0 {
		partial = protowire.AppendTag(partial, 1, protowire.VarintType)
		partial = protowire.AppendVarint(partial, uint64(rejected))
	}
	return appendBytes(nil, 1, appendBytes(partial, 2, []byte(message)))
}

// status is google.rpc.Status: code = 1, message = 2.
func (protobuf) status(code int, message string) []byte {
	b := protowire.AppendTag(nil, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(code))
	return appendBytes(b, 2, []byte(message))
}
