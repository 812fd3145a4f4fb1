package encode_test

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/shardlog"
)

func TestFraming(t *testing.T) {
	for _, c := range []struct{ delimiter, data, want string }{
		{"", "a", "a\n"}, {encode.Newline, "a", "a\n"}, {encode.Newline, "a\n", "a\n"}, {encode.Newline, "", "\n"},
		{encode.Raw, "a", "a"}, {encode.Raw, "a\n", "a\n"}, {encode.Raw, "", ""},
	} {
		e, err := encode.New(firehose.Format{Delimiter: c.delimiter})
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Frame([]byte("x"), firehose.Record{Record: shardlog.Record{Data: []byte(c.data)}})
		if err != nil || string(got) != "x"+c.want {
			t.Errorf("%s %q: %q %v", c.delimiter, c.data, got, err)
		}
	}
}

// TestOthersReadIt: writers are used again and again, by many at once, and
// the tools of the trade read what they write.
func TestOthersReadIt(t *testing.T) {
	content := []byte(strings.Repeat(`{"temperature":21.5}`+"\n", 5000))
	for compression, tool := range map[string][]string{encode.Gzip: {"gzip", "-dc"}, encode.Zstd: {"zstd", "-dc"}, encode.None: {"cat"},
		encode.Zip:    {"python3", "-c", "import io,sys,zipfile\nz=zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read()))\nassert z.testzip() is None\nsys.stdout.buffer.write(z.read(z.namelist()[0]))"},
		encode.Snappy: {"snzip", "-dc"}, encode.HadoopSnappy: {"snzip", "-dc", "-t", "hadoop-snappy"}} {
		e, err := encode.New(firehose.Format{Compression: compression})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { roundTrip(t, e, content) })
		}
		all.Wait()
		if _, err := exec.LookPath(tool[0]); err != nil {
			t.Logf("%s is not here to read what we write", tool[0])
			continue
		}
		command := exec.Command(tool[0], tool[1:]...)
		command.Stdin = bytes.NewReader(roundTrip(t, e, content))
		if got, err := command.Output(); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s reads %d bytes of %d: %v", tool[0], len(got), len(content), err)
		}
	}
}

func roundTrip(t *testing.T, e firehose.Encoder, content []byte) []byte {
	var stored bytes.Buffer
	w, err := e.Compress(&stored)
	if err != nil {
		t.Error(err)
		return nil
	}
	for part := range bytes.Lines(content) {
		if _, err := w.Write(part); err != nil {
			t.Error(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	r, err := e.Expand(bytes.NewReader(stored.Bytes()))
	if err != nil {
		t.Error(err)
		return nil
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes of %d: %v", len(got), len(content), err)
	}
	return stored.Bytes()
}

func TestUnknownFormatsAreInvalid(t *testing.T) {
	for _, f := range []firehose.Format{{Compression: "rar"}, {Compression: "orc"}, {Delimiter: "comma"}} {
		if _, err := encode.New(f); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%+v: %v", f, err)
		}
	}
}
