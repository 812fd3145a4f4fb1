package aggregate_test

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"testing"

	"headgate/firehose/transform/aggregate"
)

// pack wraps a message.
func pack(message []byte) []byte {
	sum := md5.Sum(message)
	return append(append([]byte{0xf3, 0x89, 0x9a, 0xc2}, message...), sum[:]...)
}

func bytesField(number uint64, b []byte) []byte {
	out := binary.AppendUvarint(nil, number<<3|2)
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}

func varintField(number, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, number<<3), v)
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func read(data []byte) (got []string, ok bool) {
	ok = aggregate.Read(data, func(r aggregate.Record) bool {
		got = append(got, fmt.Sprintf("%s/%s=%s", r.Key, r.Explicit, r.Data))
		return true
	})
	return got, ok
}

func TestRead(t *testing.T) {
	whole := join(bytesField(1, []byte("k1")), bytesField(1, []byte("k2")), bytesField(2, []byte("12")),
		bytesField(3, join(varintField(1, 1), varintField(2, 0), bytesField(3, []byte("a")), bytesField(4, bytesField(1, []byte("tag"))))),
		bytesField(3, join(varintField(1, 0), bytesField(3, nil))), varintField(9, 7))
	got, ok := read(pack(whole))
	if want := "[k2/12=a k1/=]"; !ok || fmt.Sprint(got) != want {
		t.Errorf("%v %v, want %s", got, ok, want)
	}
	for name, data := range map[string][]byte{
		"too short":        {0xf3, 0x89, 0x9a, 0xc2},
		"other magic":      append([]byte{0}, pack(whole)[1:]...),
		"other sum":        append(pack(whole)[:len(pack(whole))-1], 0),
		"cut":              pack(whole[:len(whole)-3]),
		"index too high":   pack(join(bytesField(1, []byte("k")), bytesField(3, join(varintField(1, 1), bytesField(3, nil))))),
		"no key":           pack(bytesField(3, bytesField(3, []byte("a")))),
		"no data":          pack(join(bytesField(1, []byte("k")), bytesField(3, varintField(1, 0)))),
		"group":            pack([]byte{0x0b}),
		"field zero":       pack([]byte{0x02, 0x00}),
		"long length":      pack([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}),
		"key as a number":  pack(join(varintField(1, 5))),
		"data as a number": pack(join(bytesField(1, []byte("k")), bytesField(3, join(varintField(1, 0), varintField(3, 0))))),
	} {
		if got, ok := read(data); ok || got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// foreign is what AWS's aggregator for Python (aws-kinesis-agg 1.2.3) made of
// two records.
const foreign = "f3899ac20a0873656e736f722d310a0873656e736f722d3212273137303134313138333436303436393233313733313638373330333731353838343130353732381a0e08001a0a7b2274223a32312e357d1a10080110001a0a7b2274223a32322e357df36abe933f4c009e5effcd8583d6cf8c"

// TestReadWhatAnotherWrote reads bytes that we did not write.
func TestReadWhatAnotherWrote(t *testing.T) {
	data, err := hex.DecodeString(foreign)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := read(data)
	if want := `[sensor-1/={"t":21.5} sensor-2/170141183460469231731687303715884105728={"t":22.5}]`; !ok || fmt.Sprint(got) != want {
		t.Errorf("%v %v, want %s", got, ok, want)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(join(bytesField(1, []byte("k1")), bytesField(3, join(varintField(1, 0), bytesField(3, []byte("a"))))))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, message []byte) {
		size := 0
		ok := aggregate.Read(pack(message), func(r aggregate.Record) bool {
			size += len(r.Data)
			return true
		})
		if size > len(message) || !ok && size > 0 {
			t.Errorf("%d bytes of %d", size, len(message))
		}
	})
}
