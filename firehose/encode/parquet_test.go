package encode_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

var schema = encode.Schema{Columns: []encode.Column{
	{Name: "device", Type: "string", Required: true},
	{Name: "temp", Type: "double"},
	{Name: "small", Type: "float"},
	{Name: "n", Type: "int"},
	{Name: "big", Type: "bigint"},
	{Name: "ok", Type: "boolean"},
	{Name: "at", Type: "timestamp"},
	{Name: "day", Type: "date"},
	{Name: "lat", Type: "double", Path: "gps.lat"},
	{Name: "tags", Type: "json"},
}}

func rows(t testing.TB, s encode.Schema) *encode.Rows {
	t.Helper()
	e, err := encode.NewParquet(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func record(text string) firehose.Record {
	return firehose.Record{Record: shardlog.Record{Data: []byte(text)}}
}

func TestRowsAreLines(t *testing.T) {
	e := rows(t, schema)
	for in, want := range map[string]string{
		`{"device":"a"}`: `{"device":"a"}`,
		` {"temp":21.50,"device":"ä<\u00e4>","more":1}` + "\n":         `{"device":"ä\u003cä\u003e","temp":21.5}`,
		`{"device":7.0,"temp":null,"n":1e3,"ok":true}`:                 `{"device":"7.0","n":1000,"ok":true}`,
		`{"device":"a","big":9223372036854775807,"small":0.1}`:         `{"device":"a","small":0.1,"big":9223372036854775807}`,
		`{"device":"a","at":1782909000,"gps":{"lat":-1e-7}}`:           `{"device":"a","at":"2026-07-01T12:30:00.000Z","lat":-1e-07}`,
		`{"device":"a","at":1782909000005}`:                            `{"device":"a","at":"2026-07-01T12:30:00.005Z"}`,
		`{"device":"a","at":1782909000.005}`:                           `{"device":"a","at":"2026-07-01T12:30:00.005Z"}`,
		`{"device":"a","at":"2026-07-01T14:30:00.0059+02:00"}`:         `{"device":"a","at":"2026-07-01T12:30:00.005Z"}`,
		`{"device":"a","at":"2026-07-01 12:30:00","day":"1969-12-31"}`: `{"device":"a","at":"2026-07-01T12:30:00.000Z","day":"1969-12-31"}`,
		`{"device":"a","tags":{"b":[1.50,null],"a":"x"}}`:              `{"device":"a","tags":{"a":"x","b":[1.50,null]}}`,
		`{"device":"a","gps":[1]}`:                                     `{"device":"a"}`,
		`{}`:                                                           `format-conversion-failed: column device: it is required and not there`,
		`{"device":null}`:                                              `format-conversion-failed: column device: it is required and not there`,
		`{"device":{}}`:                                                `format-conversion-failed: column device: map[] is not text; nested values fit type json`,
		`{"device":"a","temp":"21"}`:                                   `format-conversion-failed: column temp: 21 is not a number of the type's size`,
		`{"device":"a","temp":1e999}`:                                  `format-conversion-failed: column temp: 1e999 is not a number of the type's size`,
		`{"device":"a","small":1e39}`:                                  `format-conversion-failed: column small: 1e39 is not a number of the type's size`,
		`{"device":"a","n":2147483648}`:                                `format-conversion-failed: column n: 2147483648 is not a whole number of the type's size`,
		`{"device":"a","n":1.5}`:                                       `format-conversion-failed: column n: 1.5 is not a whole number of the type's size`,
		`{"device":"a","ok":1}`:                                        `format-conversion-failed: column ok: 1 is not true or false`,
		`{"device":"a","at":"yesterday"}`:                              `format-conversion-failed: column at: yesterday is not a time: seconds or milliseconds since 1970, or text like 2026-07-01T12:30:00Z`,
		`{"device":"a","day":"2026-02-30"}`:                            `format-conversion-failed: column day: 2026-02-30 is not a date like 2026-07-01`,
		`{"device":"a"}{}`:                                             `format-conversion-failed: the record is not one JSON object`,
		`null`:                                                         `format-conversion-failed: the record is not one JSON object`,
		`[1]`:                                                          `format-conversion-failed: the record is not a JSON object: json: cannot unmarshal array into Go value of type map[string]interface {}`,
	} {
		got, err := e.Frame([]byte("x"), record(in))
		var bad *encode.RowError
		switch {
		case err == nil && string(got) != "x"+want+"\n", err != nil && (err.Error() != want || !errors.As(err, &bad)):
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		case err == nil: // the line is a row of its own, but for paths
			roundTrip(t, e, got[1:])
		}
	}
}

// many are rows in which all columns differ.
func many(n int) []firehose.Record {
	var all []firehose.Record
	for i := range n {
		all = append(all, record(fmt.Sprintf(`{"device":"d%d","temp":%d.25,"small":0.5,"n":%d,"big":%d,"ok":%v,"at":%d,"day":"2026-07-%02d","gps":{"lat":%d},"tags":["t%d"]}`,
			i%7, i, i, int64(i)<<40, i%2 == 0, 1782909000000+i, 1+i%31, i%90, i)))
		if i%10 == 9 {
			all[i] = record(fmt.Sprintf(`{"device":"d%d"}`, i%7))
		}
	}
	return all
}

// batch seals records, as a delivery does.
func batch(t testing.TB, e firehose.Encoder, records []firehose.Record) *firehose.Batch {
	sum, b := sha256.New(), &firehose.Batch{Encoder: e, Count: len(records)}
	for _, r := range records {
		line, err := e.Frame(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(line)
		b.Bytes += int64(len(line))
	}
	b.SHA256 = [32]byte(sum.Sum(nil))
	b.Records = func(context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	return b
}

// TestBatchesOfRows: what a batch writes it knows again, in each compression
// and by many at once; and not the file of another.
func TestBatchesOfRows(t *testing.T) {
	for compression, n := range map[string]int{"": 40_000, encode.Gzip: 100, encode.Zstd: 100, encode.None: 100} {
		s := schema
		s.Compression = compression
		e := rows(t, s)
		b, other := batch(t, e, many(n)), batch(t, e, many(10))
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				var stored bytes.Buffer
				if err := b.Encode(t.Context(), &stored); err != nil {
					t.Error(err)
				}
				if same, err := b.Verify(bytes.NewReader(stored.Bytes())); !same || err != nil {
					t.Errorf("%s: %v %v", compression, same, err)
				}
				if same, err := other.Verify(bytes.NewReader(stored.Bytes())); same || err != nil {
					t.Errorf("%s: another's: %v %v", compression, same, err)
				}
			})
		}
		all.Wait()
	}
}

func TestDamagedFiles(t *testing.T) {
	e := rows(t, schema)
	b := batch(t, e, many(100))
	var stored bytes.Buffer
	if err := b.Encode(t.Context(), &stored); err != nil {
		t.Fatal(err)
	}
	whole := stored.Bytes()
	for at := 0; at < len(whole); at += 7 {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x55
		b.Verify(bytes.NewReader(damaged)) // must not panic; a byte of padding or of statistics may not matter
		if same, err := b.Verify(bytes.NewReader(whole[:at])); same || err == nil {
			t.Errorf("cut at %d: %v %v", at, same, err)
		}
	}
	s := schema
	s.Columns = s.Columns[1:]
	if same, err := batch(t, rows(t, s), nil).Verify(bytes.NewReader(whole)); same || err == nil {
		t.Error("a file of other columns is read")
	}
}

// TestDuckDBReadsIt: an independent reader finds types, values and row groups.
func TestDuckDBReadsIt(t *testing.T) {
	peer := sinktest.Peer(t, "duckdb")
	e := rows(t, schema)
	b := batch(t, e, many(40_000))
	file := filepath.Join(t.TempDir(), "a.parquet")
	var stored bytes.Buffer
	if err := b.Encode(t.Context(), &stored); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, stored.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	from := " FROM '" + file + "'"
	for query, want := range map[string]string{
		"SELECT count(*) c, count(temp) t, count(DISTINCT device) d, sum(n)::BIGINT n, max(big) b, min(\"at\")::VARCHAR f, max(\"at\")::VARCHAR l, count_if(ok) o" + from: `[{"c":"40000","t":"36000","d":"7","n":"719964000","b":"43978266087784448","f":"2026-07-01 12:30:00+00","l":"2026-07-01 12:30:39.998+00","o":"20000"}]`,
		"SELECT device, temp, small, n, big, ok, \"at\"::VARCHAR \"at\", \"day\"::VARCHAR \"day\", lat, tags" + from + " WHERE n = 1234":                                  `[{"device":"d2","temp":1234.25,"small":0.5,"n":1234,"big":"1356797348675584","ok":true,"at":"2026-07-01 12:30:01.234+00","day":"2026-07-26","lat":64,"tags":"[\"t1234\"]"}]`,
		"SELECT string_agg(column_name || ' ' || column_type, ', ') s FROM (DESCRIBE SELECT *" + from + ")":                                                               `[{"s":"at TIMESTAMP WITH TIME ZONE, big BIGINT, day DATE, device VARCHAR, lat DOUBLE, n INTEGER, ok BOOLEAN, small FLOAT, tags VARCHAR, temp DOUBLE"}]`,
		"SELECT count(DISTINCT row_group_id) > 1 AS several, max(compression) c FROM parquet_metadata('" + file + "')":                                                    `[{"several":true,"c":"SNAPPY"}]`,
	} {
		out, err := exec.Command("node", filepath.Join(peer, "read.mjs"), query).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s:\n got %s %v\nwant %s", query, got, err, want)
		}
	}
}

func TestMistakesInASchema(t *testing.T) {
	one := []encode.Column{{Name: "a", Type: "string"}}
	for want, s := range map[string]encode.Schema{
		"0 columns": {},
		"ORC is not written: no library for it in Go is maintained": {Format: "orc", Columns: one},
		`format "csv" is unknown`:                                   {Format: "csv", Columns: one},
		`compression "rar" of pages`:                                {Compression: "rar", Columns: one},
		`column "A": names hold a-z`:                                {Columns: []encode.Column{{Name: "A", Type: "string"}}},
		`type "struct" is unknown`:                                  {Columns: []encode.Column{{Name: "a", Type: "struct"}}},
		`column "a" is there twice`:                                 {Columns: append(one, one...)},
	} {
		if _, err := encode.NewParquet(s); shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// FuzzRows: any record is refused, or its line comes back from a file as it was.
func FuzzRows(f *testing.F) {
	for _, s := range many(2) {
		f.Add(s.Data)
	}
	f.Add([]byte(`{"device":"\u0000\ud800","temp":-0,"at":-1.5,"tags":1e99,"small":1e-45}`))
	e := rows(f, schema)
	f.Fuzz(func(t *testing.T, data []byte) {
		line, err := e.Frame(nil, record(string(data)))
		if err != nil {
			return
		}
		if !json.Valid(line) || bytes.Count(line, []byte("\n")) != 1 {
			t.Errorf("%q", line)
		}
		roundTrip(t, e, line)
	})
}
