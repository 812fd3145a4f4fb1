package encode_test

import (
	"bytes"
	"io"
	"testing"

	"headgate/firehose"
	"headgate/firehose/encode"
)

func encoder(t testing.TB, compression string) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{Compression: compression})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func expand(e firehose.Encoder, stored []byte) ([]byte, error) {
	r, err := e.Expand(bytes.NewReader(stored))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// TestHadoopBlocks reads what others write: several chunks in a block, and
// blocks of nothing.
func TestHadoopBlocks(t *testing.T) {
	e := encoder(t, encode.HadoopSnappy)
	chunk := func(text string) []byte { // a literal
		b := append([]byte{byte(len(text)), byte(len(text)-1) << 2}, text...)
		return append([]byte{0, 0, 0, byte(len(b))}, b...)
	}
	block := func(n byte, chunks ...[]byte) []byte {
		return append([]byte{0, 0, 0, n}, bytes.Join(chunks, nil)...)
	}
	good := bytes.Join([][]byte{block(5, chunk("ab"), chunk("cde")), block(0), block(1, chunk("f"))}, nil)
	if got, err := expand(e, good); err != nil || string(got) != "abcdef" {
		t.Errorf("%q %v", got, err)
	}
	for name, bad := range map[string][]byte{
		"cut in a length": good[:2],
		"cut after it":    good[:4],
		"cut in a chunk":  good[:10],
		"cut in a block":  good[:12],
		"more than said":  block(1, chunk("ab")),
		"a gigabyte":      {0x40, 0, 0, 0},
		"a large chunk":   {0, 0, 0, 1, 0x40, 0, 0, 0},
		"an empty chunk":  block(1, []byte{0, 0, 0, 1, 0}),
		"not Snappy":      block(1, []byte{0, 0, 0, 2, 1, 0xff}),
		"a chunk of no B": block(1, []byte{0, 0, 0, 0}),
	} {
		if got, err := expand(e, bad); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestBlocksEndAnywhere: content of all sizes comes back.
func TestBlocksEndAnywhere(t *testing.T) {
	for _, compression := range []string{encode.HadoopSnappy, encode.Snappy, encode.Zip} {
		e := encoder(t, compression)
		for _, n := range []int{0, 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1 << 20} {
			content := bytes.Repeat([]byte("0123456789abcdef\n"), n/17+1)[:n]
			roundTrip(t, e, content)
		}
	}
}

func FuzzExpand(f *testing.F) {
	all := []firehose.Encoder{encoder(f, encode.HadoopSnappy), encoder(f, encode.Snappy), encoder(f, encode.Zip)}
	for _, e := range all {
		var b bytes.Buffer
		w, err := e.Compress(&b)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := w.Write([]byte("hello hello hello")); err != nil {
			f.Fatal(err)
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		for _, e := range all {
			if r, err := e.Expand(bytes.NewReader(stored)); err == nil {
				io.Copy(io.Discard, io.LimitReader(r, 1<<20))
				r.Close()
			}
		}
	})
}
