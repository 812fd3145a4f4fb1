package device_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"headgate/firmware-sim/device"
)

func openRing(t testing.TB, path string, size int64) *device.Ring {
	t.Helper()
	r, err := device.OpenRing(path, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func payload(n uint64, size int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("<%d>", n)), size/3+1)[:size]
}

func TestRingKeepsOrderOverRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	r := openRing(t, path, 64<<10)
	for n := uint64(1); n <= 3000; n++ { // many laps
		number, err := r.Append(uint32(n%3), n, payload(n, int(n*37%500)))
		if err != nil {
			t.Fatal(err)
		}
		if n > 20 {
			r.Release(number - 20)
		}
		if n%250 == 0 {
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			r = openRing(t, path, 1)
		}
	}
	want := uint64(2981)
	for b := range r.All() {
		data, err := r.Read(b.Number, nil)
		if err != nil || b.N != want || b.Device != uint32(want%3) || !bytes.Equal(data, payload(want, int(want*37%500))) {
			t.Fatalf("record %d of device %d, %v, want %d", b.N, b.Device, err, want)
		}
		want++
	}
	if want != 3001 || r.Stats().Dropped != 0 {
		t.Fatalf("ends before %d; %+v", want, r.Stats())
	}
}

func TestRingDropsOldestAndCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	r := openRing(t, path, 16<<10)
	const total = 1000
	for n := uint64(1); n <= total; n++ {
		if _, err := r.Append(1, n, payload(n, 200)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = openRing(t, path, 16<<10)
	stats := r.Stats()
	if stats.Dropped == 0 || stats.Dropped+uint64(stats.Records) != total {
		t.Fatalf("%+v does not account for %d records", stats, total)
	}
	next := stats.Dropped + 1
	for b := range r.All() {
		if b.N != next {
			t.Fatalf("record %d, want %d", b.N, next)
		}
		next++
	}
	if _, err := r.Read(1, nil); !errors.Is(err, device.ErrGone) {
		t.Errorf("a dropped record reads %v", err)
	}
	if _, err := r.Append(1, 1, make([]byte, 4<<10)); err == nil {
		t.Error("a record larger than an eighth of the ring is taken")
	}
}

// tear is what a disk holds after a power cut: what was synced, and, sector by
// sector, perhaps what was written after it.
func tear(rng *rand.Rand, synced, written []byte) []byte {
	const sector = 512
	out := bytes.Clone(synced)
	keep := rng.IntN(3) // none, any, all of the unsynced sectors
	for at := 0; at < len(out); at += sector {
		if keep == 2 || keep == 1 && rng.IntN(2) == 0 {
			copy(out[at:min(at+sector, len(out))], written[at:])
		}
	}
	return out
}

func TestRingSurvivesPowerCuts(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		path := filepath.Join(t.TempDir(), "ring")
		r := openRing(t, path, 8<<10)
		synced := readFile(t, path)
		appended := map[uint64]int{}  // n: size, everything ever appended
		promised := map[uint64]bool{} // n: durable and neither released nor dropped
		live, next := map[uint64]uint64{}, uint64(1)
		for range 4 {
			for range rng.IntN(120) {
				switch rng.IntN(8) {
				case 0:
					if err := r.Sync(); err != nil {
						t.Fatal(err)
					}
					synced = readFile(t, path)
					clear(promised)
					for b := range r.All() {
						promised[b.N] = true
					}
				case 1, 2:
					for n, number := range live {
						r.Release(number)
						delete(live, n)
						delete(promised, n)
						break
					}
				default:
					header := readFile(t, path)[:8192]
					size := rng.IntN(300)
					number, err := r.Append(9, next, payload(next, size))
					if err != nil {
						t.Fatal(err)
					}
					appended[next], live[next] = size, number
					next++
					if now := readFile(t, path); !bytes.Equal(now[:8192], header) { // it synced to make room
						synced = now
						held := map[uint64]bool{}
						for b := range r.All() {
							held[b.N] = true
						}
						for n := range promised {
							if !held[n] {
								delete(promised, n)
							}
						}
					}
				}
			}
			cut := tear(rng, synced, readFile(t, path))
			path = filepath.Join(t.TempDir(), "ring")
			if err := os.WriteFile(path, cut, 0o600); err != nil {
				t.Fatal(err)
			}
			r = openRing(t, path, 8<<10)
			synced = readFile(t, path)
			clear(live)
			last := uint64(0)
			for b := range r.All() {
				data, err := r.Read(b.Number, nil)
				size, known := appended[b.N]
				if err != nil || !known || !bytes.Equal(data, payload(b.N, size)) || b.N <= last {
					t.Fatalf("seed %d: record %d after %d reads %q, %v", seed, b.N, last, data, err)
				}
				last = b.N
				live[b.N] = b.Number
				delete(promised, b.N)
			}
			if len(promised) > 0 {
				t.Fatalf("seed %d: lost %v", seed, promised)
			}
			for n := range live {
				promised[n] = true
			}
			next = max(next, last+1)
		}
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRingCutsTornTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	r := openRing(t, path, 64<<10)
	for n := uint64(1); n <= 10; n++ {
		if _, err := r.Append(1, n, payload(n, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	whole := readFile(t, path)
	record := (40 + 100 + 7) &^ 7
	for name, harm := range map[string]func([]byte) []byte{
		"truncated": func(b []byte) []byte { return b[:8192+7*record+50] },
		"flipped":   func(b []byte) []byte { b[8192+7*record+60] ^= 4; return b },
		"zeroed":    func(b []byte) []byte { clear(b[8192+7*record:]); return b },
		"one header torn": func(b []byte) []byte {
			b[4096+20] ^= 1
			clear(b[8192+7*record:])
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ring")
			if err := os.WriteFile(path, harm(bytes.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			r := openRing(t, path, 1)
			if got := r.Stats().Records; got != 7 {
				t.Fatalf("%d records left, want 7", got)
			}
			if _, err := r.Append(1, 8, payload(8, 100)); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if got := openRing(t, path, 1).Stats().Records; got != 8 { // the old 9 and 10 stay dead
				t.Fatalf("%d records after another append, want 8", got)
			}
		})
	}
}

func TestRingRefusesForeignFiles(t *testing.T) {
	for name, data := range map[string][]byte{"empty": nil, "text": []byte("hello"), "zeros": make([]byte, 20_000)} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := device.OpenRing(path, 1<<20); !errors.Is(err, device.ErrRing) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(readFile(t, path), data) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func FuzzOpenRing(f *testing.F) {
	path := filepath.Join(f.TempDir(), "ring")
	r := openRing(f, path, 4<<10)
	for n := uint64(1); n <= 40; n++ {
		number, err := r.Append(1, n, payload(n, 150))
		if err != nil {
			f.Fatal(err)
		}
		if n%3 == 0 {
			r.Release(number)
		}
	}
	if err := r.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(readFile(f, path), uint32(0), uint64(0))
	f.Add(readFile(f, path), uint32(9000), uint64(1<<40))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, at uint32, flip uint64) {
		for i := range 8 { // reach behind the checksummed header too
			if p := int(at) + i; p < len(data) {
				data[p] ^= byte(flip >> (8 * i))
			}
		}
		path := filepath.Join(dir, "ring")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := device.OpenRing(path, 1)
		if err != nil {
			return
		}
		defer r.Close()
		for b := range r.All() {
			if _, err := r.Read(b.Number, nil); err != nil {
				t.Fatalf("record %d: %v", b.Number, err)
			}
		}
		if _, err := r.Append(2, 1, []byte("more")); err != nil {
			t.Fatal(err)
		}
	})
}
