package block_test

import (
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// telemetry is n records of 2,000 devices over 16 shards as MQTT brings them:
// half temperature, half GPS, the client id as key and in the topic.
func telemetry(r *rand.Rand, n int) []placed {
	entries := make([]placed, n)
	for i := range entries {
		if i%2 == 0 {
			entries[i] = temperature(r, i)
		} else {
			entries[i] = gps(r, i)
		}
		entries[i].entry.Meta = []byte("devices/" + entries[i].entry.Key + "/telemetry")
	}
	return entries
}

func temperature(r *rand.Rand, i int) placed {
	key := fmt.Sprintf("sensor-%05d", r.IntN(2000))
	return device(key, fmt.Sprintf(`{"device":"%s","ts":"%s","type":"temperature","value":%.2f,"unit":"C","humidity":%.1f,"battery":%d,"seq":%d}`,
		key, at.Format("2006-01-02T15:04:05.000Z"), 15+r.Float64()*10, 40+r.Float64()*20, 60+r.IntN(40), 1000+r.IntN(50)))
}

func gps(r *rand.Rand, i int) placed {
	key := fmt.Sprintf("truck-%05d", r.IntN(2000))
	return device(key, fmt.Sprintf(`{"vehicle":"%s","ts":%d,"lat":%.6f,"lon":%.6f,"alt":%.1f,"speed":%.1f,"heading":%d,"sats":%d,"hdop":%.1f,"fix":"3d","fuel":%.1f,"ignition":true,"odometer":%d}`,
		key, at.UnixMilli()+int64(i), 52+r.Float64(), 13+r.Float64(), 30+r.Float64()*50, r.Float64()*120, r.IntN(360), 5+r.IntN(9), 0.5+r.Float64(), r.Float64()*100, 100000+r.IntN(90000)))
}

func device(key, data string) placed {
	sum := md5.Sum([]byte(key))
	return placed{uint32(sum[0] >> 4), shardlog.Entry{Key: key, Data: []byte(data)}}
}

func TestTelemetryShrinks(t *testing.T) {
	for n, least := range map[int]float64{12: 3.3, 125: 6, 500: 6.5} {
		var b block.Builder
		entries := telemetry(rand.New(rand.NewPCG(3, 3)), n)
		sealed := seal(t, &b, entries)
		check(t, sealed, entries)
		h, err := block.Inspect(sealed)
		if err != nil {
			t.Fatal(err)
		}
		if ratio := float64(h.Raw) / float64(len(sealed)); ratio < least {
			t.Errorf("%d records shrink %.2fx, want %.1fx", n, ratio, least)
		}
	}
}

func TestOverheadOfOneRecord(t *testing.T) {
	var b block.Builder
	data := noise(200)
	sealed := seal(t, &b, []placed{{3, shardlog.Entry{Key: "k", Data: data}}})
	if extra := len(sealed) - len(data) - 1; extra > 24 {
		t.Errorf("a block costs %d bytes beyond its record", extra)
	}
}

func TestBuilderIsSmall(t *testing.T) {
	var b block.Builder
	entries := telemetry(rand.New(rand.NewPCG(3, 3)), 500)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	seal(t, &b, entries)
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("a builder that sealed 500 records holds %d KB", held>>10)
	if held > 1<<20 {
		t.Errorf("%d bytes, want less than 1 MiB", held)
	}
	runtime.KeepAlive(&b)
	runtime.KeepAlive(entries)
}

func BenchmarkSeal(b *testing.B) {
	for _, n := range []int{1, 12, 125, 500} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			var builder block.Builder
			entries := telemetry(rand.New(rand.NewPCG(3, 3)), n)
			raw, size := 0, 0
			for b.Loop() {
				for _, p := range entries {
					builder.Add(p.shard, p.entry)
				}
				raw = builder.Bytes()
				sealed, err := builder.Seal(block.Head{Stream: 7, At: at}, firstOf)
				if err != nil {
					b.Fatal(err)
				}
				size = len(sealed)
			}
			b.ReportMetric(float64(raw)/float64(size), "ratio")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1, 12, 125, 500} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			var builder block.Builder
			sealed := seal(b, &builder, telemetry(rand.New(rand.NewPCG(3, 3)), n))
			for b.Loop() {
				if _, err := block.Open(sealed); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
		})
	}
}
